// Package host is the edge of a component in plain Go: imports and exports inside of one, fakes for tests elsewhere.
package host

// Event is the event of the plugin contract.
type Event struct {
	ID, Kind, Project, Room, Participant, CreatedAt, JSON string

	Attempt, DeadlineMS uint32
	Attributes          map[string]string
}

// End is how a call ended.
type End uint8

// The ends.
const (
	Done End = iota
	Skipped
	Retry
	Permanent
)

// Outcome is what became of an event. AfterMS is that of a retry, 0 for the handler's policy.
type Outcome struct {
	End     End
	Why     string
	AfterMS uint32
}

// Failed is why a message or request was not taken.
type Failed uint8

// The failures.
const (
	Fine Failed = iota
	Denied
	TooLarge
	QuotaExceeded
	Other
)

// KeysFailed is why the host did not do what a bucket was asked for.
type KeysFailed uint8

// The failures.
const (
	KeysFine KeysFailed = iota
	NoSuchBucket
	BucketDenied
	KeysOther
)

// SecretFailed is why there is no secret.
type SecretFailed uint8

// The failures.
const (
	SecretFine SecretFailed = iota
	SecretDenied
	NoSuchSecret
	SecretOther
)

// LiveKitEnd is what became of a call of LiveKit's API.
type LiveKitEnd uint8

// The ends.
const (
	LiveKitFine LiveKitEnd = iota
	LiveKitDenied
	LiveKitRefused
	LiveKitUnavailable
	LiveKitOther
)

// LiveKitFailed is why a call of LiveKit's API came to nothing. Code is Twirp's word where LiveKit refused it.
type LiveKitFailed struct {
	End       LiveKitEnd
	Code, Why string
}

// Level is how serious a line is.
type Level = uint8

// The levels, as wasi:logging counts them.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)
