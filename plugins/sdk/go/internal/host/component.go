//go:build wasip1

package host

import (
	"roomwire/internal/wit/export_roomwire_plugin_handler"
	_ "roomwire/internal/wit/exports"
	"roomwire/internal/wit/roomwire_plugin_effects"
	"roomwire/internal/wit/roomwire_plugin_event_types"
	"roomwire/internal/wit/types"
	"roomwire/internal/wit/wasi_config_store"
	"roomwire/internal/wit/wasi_logging_logging"
)

type (
	outcome = roomwire_plugin_event_types.Outcome
	failure = roomwire_plugin_event_types.Failure
	handled = types.Result[outcome, failure]
)

// Export sets what the host calls.
func Export(handle func(Event) Outcome, check func() error) {
	export_roomwire_plugin_handler.Handle = func(event roomwire_plugin_event_types.Event) handled {
		return result(handle(plain(event)))
	}
	export_roomwire_plugin_handler.Check = func() types.Result[types.Unit, string] {
		if err := check(); err != nil {
			return types.Err[types.Unit](err.Error())
		}
		return types.Ok[types.Unit, string](types.Unit{})
	}
}

func plain(event roomwire_plugin_event_types.Event) Event {
	attributes := make(map[string]string, len(event.Attributes))
	for _, pair := range event.Attributes {
		attributes[pair.F0] = pair.F1
	}
	return Event{
		ID: event.Id, Kind: event.Kind, Project: event.Project, Room: text(event.Room), Participant: text(event.Participant),
		CreatedAt: event.CreatedAt, JSON: event.Json, Attempt: event.Attempt, DeadlineMS: event.DeadlineMs,
		Attributes: attributes,
	}
}

func text(value types.Option[string]) string {
	if value.Tag() == types.OptionNone {
		return ""
	}
	return value.Some()
}

func result(ended Outcome) handled {
	switch ended.End {
	case Done:
		return types.Ok[outcome, failure](roomwire_plugin_event_types.MakeOutcomeDone())
	case Skipped:
		return types.Ok[outcome, failure](roomwire_plugin_event_types.MakeOutcomeSkipped(ended.Why))
	case Permanent:
		return types.Err[outcome](roomwire_plugin_event_types.MakeFailurePermanent(ended.Why))
	default:
		after := types.None[uint32]()
		if ended.AfterMS > 0 {
			after = types.Some(ended.AfterMS)
		}
		hint := roomwire_plugin_event_types.RetryHint{Reason: ended.Why, AfterMs: after}
		return types.Err[outcome](roomwire_plugin_event_types.MakeFailureRetry(hint))
	}
}

// Config asks for a key of the config. A host that cannot read it is as one that has none.
func Config(key string) (string, bool) {
	found := wasi_config_store.Get(key)
	if found.Tag() == types.ResultErr || found.Ok().Tag() == types.OptionNone {
		return "", false
	}
	return found.Ok().Some(), true
}

// Publish hands a message to the host.
func Publish(subject string, data []byte, headers [][2]string) (Failed, string) {
	return taken(roomwire_plugin_effects.Publish(roomwire_plugin_effects.Message{
		Subject: subject, Data: data, Headers: pairs(headers),
	}))
}

func pairs(headers [][2]string) []types.Tuple2[string, string] {
	pairs := make([]types.Tuple2[string, string], len(headers))
	for i, header := range headers {
		pairs[i] = types.Tuple2[string, string]{F0: header[0], F1: header[1]}
	}
	return pairs
}

func taken(result types.Result[types.Unit, roomwire_plugin_effects.Error]) (Failed, string) {
	if result.Tag() == types.ResultOk {
		return Fine, ""
	}
	switch err := result.Err(); err.Tag() {
	case roomwire_plugin_effects.ErrorDenied:
		return Denied, err.Denied()
	case roomwire_plugin_effects.ErrorTooLarge:
		return TooLarge, ""
	case roomwire_plugin_effects.ErrorQuotaExceeded:
		return QuotaExceeded, ""
	default:
		return Other, err.Other()
	}
}

// Log hands a line to the host.
func Log(level Level, name, message string) { wasi_logging_logging.Log(level, name, message) }
