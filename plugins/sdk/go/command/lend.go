//go:build wasip1

package command

import "unsafe"

// memory is what the adapter wants for its state and its stack, 64 KiB each, with room to align them.
var memory [160 << 10]byte

// lent is how much of it is taken. Nothing is given back: a program lives for one event.
var lent uintptr

// lend is called before the runtime is up, so it may call nothing and must not grow its stack.
//
//go:wasmexport cabi_realloc
//go:nosplit
func lend(_ unsafe.Pointer, _, align, size uintptr) unsafe.Pointer {
	begin := uintptr(unsafe.Pointer(&memory))
	at := (begin + lent + align - 1) &^ (align - 1)
	lent = at + size - begin
	if lent > uintptr(len(memory)) {
		panic("the adapter for WASI 0.1 wants more memory than it ever did; is there a newer package command?")
	}
	return unsafe.Pointer(&memory[at-begin])
}
