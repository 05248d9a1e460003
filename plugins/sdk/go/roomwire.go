// Package roomwire is for handlers of LiveKit events in Go. See README.md.
package roomwire

import (
	"errors"
	"fmt"
	"time"

	"roomwire/internal/host"
	"roomwire/webhook"
)

// Event is one LiveKit event, as the plugin contract has it.
type Event struct {
	// ID is the same on every attempt and every redelivery.
	ID string
	// Kind is the type, e.g. participant_joined; new ones may come.
	Kind string
	// Project is the name of the LiveKit project in roomwire.yaml.
	Project string
	// Room is the room's name, empty where the event has none.
	Room string
	// Participant is the participant's identity, empty where the event has none.
	Participant string
	// CreatedAt is when LiveKit made it, RFC 3339.
	CreatedAt string
	// Attempt is 1 on the first attempt.
	Attempt uint32
	// Deadline is what is left of the handler's timeout at the start of the call.
	Deadline time.Duration
	// JSON is the webhook's body as LiveKit signed it.
	JSON string
	// Attributes are what else is known, by documented names, e.g. ordering-key.
	Attributes map[string]string
}

// Webhook is the body, typed. What is newer than this module passes: unknown names stay text, unknown fields are in JSON.
// A field of another type than LiveKit documents is a permanent failure.
func (e *Event) Webhook() (*webhook.Webhook, error) {
	body, err := webhook.Parse(e.JSON)
	if err != nil {
		return nil, Permanent(err.Error())
	}
	return body, nil
}

// FinalAttempt tells whether the event is a dead letter if this attempt fails.
func (e *Event) FinalAttempt() bool { return e.Attributes["final-attempt"] == "true" }

// Handler is what a component exports. Set it in an init function, as main is never called.
type Handler struct {
	// Handle gets one event, in a fresh instance. Nil is done; Skip, Retry and Permanent say more; any other error is tried
	// again by the handler's retry policy, with its text as the reason. A panic is a crash.
	Handle func(*Event) error
	// Check is called once at deploy, with the config and no grants: an error refuses the deploy. It may be nil.
	Check func() error
}

type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

type retry struct {
	why   string
	after time.Duration
}

func (r retry) Error() string { return r.why }

type permanent struct{ why string }

func (p permanent) Error() string { return p.why }

// Skip settles the event as done, counted apart.
func Skip(why string) error { return skipped{why} }

// Retry tries again later: after so long, or by the handler's retry policy if that is zero.
func Retry(why string, after time.Duration) error { return retry{why, after} }

// Permanent never tries again: a dead letter at once.
func Permanent(why string) error { return permanent{why} }

// Config is the value of a key of the handler's config in roomwire.yaml, and whether it is there.
func Config(key string) (string, bool) { return host.Config(key) }

// Require is the value of a key that must be there; where it is not, the error is permanent and names it.
func Require(key string) (string, error) {
	value, ok := host.Config(key)
	if !ok {
		return "", Permanent(fmt.Sprintf("set `config.%s`", key))
	}
	return value, nil
}

// Message is what Publish sends.
type Message struct {
	Subject string
	Data    []byte
	// Headers are pairs of name and value, in order.
	Headers [][2]string
}

// Publish sends a message to a NATS subject that allow.publish grants, once, after the end of the event is committed; of a
// call that fails nothing leaves. What is denied, too large or too many is a permanent failure.
func Publish(message Message) error {
	return taken(host.Publish(message.Subject, message.Data, message.Headers))
}

// outcome is what an error of Handle means to the host.
func outcome(err error) host.Outcome {
	var (
		skip  skipped
		never permanent
		again retry
		api   *LiveKitError
	)
	switch {
	case err == nil:
		return host.Outcome{End: host.Done}
	case errors.As(err, &skip):
		return host.Outcome{End: host.Skipped, Why: skip.why}
	case errors.As(err, &never):
		// The text of what wraps it says more.
		return host.Outcome{End: host.Permanent, Why: err.Error()}
	case errors.As(err, &api) && !api.mayPass():
		return host.Outcome{End: host.Permanent, Why: err.Error()}
	case errors.As(err, &again):
		return host.Outcome{End: host.Retry, Why: err.Error(), AfterMS: uint32(again.after.Milliseconds())}
	default:
		return host.Outcome{End: host.Retry, Why: err.Error()}
	}
}
