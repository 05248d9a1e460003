//go:build wasip1

// Package export_roomwire_plugin_handler is where the generated exports find the handler.
package export_roomwire_plugin_handler

import (
	"roomwire/internal/wit/roomwire_plugin_event_types"
	"roomwire/internal/wit/types"
)

// The handler, set before the first call.
var (
	Handle func(roomwire_plugin_event_types.Event) types.Result[roomwire_plugin_event_types.Outcome, roomwire_plugin_event_types.Failure]
	Check  func() types.Result[types.Unit, string]
)
