// Package command lets a program of Go be a command: a handler that reads its event from stdin. It is imported for that
// alone:
//
//	import _ "roomwire/command"
//
// Roomwire runs programs for WASI 0.1 with an adapter, which needs some memory of the program before Go's runtime is up.
// This package lends it.
package command
