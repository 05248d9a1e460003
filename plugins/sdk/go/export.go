package roomwire

import (
	"log/slog"
	"time"

	"roomwire/internal/host"
)

// Export makes a handler that of this component, and directs log/slog to the host; name is the context of its lines.
func Export(name string, handler Handler) {
	slog.SetDefault(slog.New(NewLogHandler(name)))
	host.Export(
		func(raw host.Event) host.Outcome { return outcome(handler.Handle(event(raw))) },
		func() error {
			if handler.Check == nil {
				return nil
			}
			return handler.Check()
		},
	)
}

func event(raw host.Event) *Event {
	return &Event{
		ID: raw.ID, Kind: raw.Kind, Project: raw.Project, Room: raw.Room, Participant: raw.Participant,
		CreatedAt: raw.CreatedAt, Attempt: raw.Attempt, Deadline: time.Duration(raw.DeadlineMS) * time.Millisecond,
		JSON: raw.JSON, Attributes: raw.Attributes,
	}
}
