package roomwire

import (
	"encoding/json"
	"fmt"
	"slices"

	"roomwire/internal/host"
)

// Request is what Send sends.
type Request struct {
	Method string
	URL    string
	// Headers are pairs of name and value, in order.
	Headers [][2]string
	Body    []byte
}

// Send has the host send a request to a URL that allow.http grants, once the end of the event is committed: with the same
// bytes and the same Idempotency-Key until it is answered 2xx. Of a call that fails nothing leaves. What is denied, too large
// or too many is a permanent failure. For answers see the package wasihttp.
func Send(request Request) error {
	return taken(host.Send(request.Method, request.URL, request.Headers, request.Body))
}

func taken(failed host.Failed, why string) error {
	switch failed {
	case host.Fine:
		return nil
	case host.Denied:
		return Permanent(why)
	case host.TooLarge:
		return Permanent("the message or request is larger than the host takes")
	case host.QuotaExceeded:
		return Permanent("too many effects in one call")
	default:
		return Retry(why, 0)
	}
}

// Secret is a secret that the handler's `secrets` list. One that cannot be had is a permanent failure.
func Secret(name string) (string, error) {
	value, failed, why := host.Secret(name)
	switch failed {
	case host.SecretFine:
		return value, nil
	case host.SecretDenied:
		return "", Permanent(fmt.Sprintf("the secret `%s` is not granted; add it to the handler's `secrets`", name))
	case host.NoSuchSecret:
		return "", Permanent(fmt.Sprintf("there is no secret `%s`; add it to `secrets` at the top of the file", name))
	default:
		return "", Permanent(fmt.Sprintf("cannot read the secret `%s`: %s", name, why))
	}
}

// LiveKitError is LiveKit's refusal of a call.
type LiveKitError struct {
	// Method is service and method.
	Method string
	// Code is Twirp's word for why, e.g. not_found.
	Code    string
	Message string
}

func (e *LiveKitError) Error() string { return fmt.Sprintf("%s: %s (%s)", e.Method, e.Message, e.Code) }

func (e *LiveKitError) mayPass() bool {
	passing := []string{"unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown"}
	return slices.Contains(passing, e.Code)
}

// LiveKit calls a method of LiveKit's API that allow.livekit grants, e.g. RoomService and RemoveParticipant. The host signs:
// the API secret never enters a handler. Request and answer are JSON in protobuf's mapping, as encoding/json writes and reads
// them: a map, or a struct with the fields that matter; an answer of nil is not looked at.
//
// A refusal is a *LiveKitError. Returned from Handle, what may pass becomes another attempt, and the rest a permanent failure.
func LiveKit(service, method string, request, answer any) error {
	name := service + "/" + method
	body, err := json.Marshal(request)
	if err != nil {
		return Permanent(fmt.Sprintf("%s: cannot write the request: %v", name, err))
	}
	text, failed := host.LiveKit(service, method, string(body))
	switch failed.End {
	case host.LiveKitFine:
	case host.LiveKitDenied:
		return Permanent(failed.Why)
	case host.LiveKitRefused:
		return &LiveKitError{name, failed.Code, failed.Why}
	case host.LiveKitUnavailable:
		return Retry(name+": "+failed.Why, 0)
	default:
		return Permanent(name + ": " + failed.Why)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		return Permanent(fmt.Sprintf("%s: cannot read the answer: %v", name, err))
	}
	return nil
}
