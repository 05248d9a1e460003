// Command greeter greets everybody who joins a room, in their language, a moment after they came.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
)

// What sysexits.h calls EX_TEMPFAIL and EX_DATAERR.
const tryAgain, never = 75, 65

type event struct {
	ID, Kind string
	Attempt  int
	Event    struct {
		Room        *struct{ Name string }
		Participant *participant
	}
}

type participant struct {
	Identity, Name, Metadata string
	// A name, or the number of one that LiveKit does not know yet.
	Kind any
	// 64-bit integers come as text or as numbers.
	JoinedAt any
}

var log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("logger", "greeter")

func main() {
	var event event
	if err := json.NewDecoder(os.Stdin).Decode(&event); err != nil {
		panic(err)
	}
	if event.Kind == "roomwire.check" {
		check()
		return
	}
	handle(&event)
}

func handle(event *event) {
	if event.Kind != "participant_joined" {
		write("skip", "nobody joined")
		return
	}
	participant := event.Event.Participant
	if participant == nil {
		exit(never, "no participant in the event")
	}
	if kind := participant.Kind; kind != nil && kind != "STANDARD" {
		log.Debug(participant.Identity + " is no person")
		write("skip", fmt.Sprintf("%v is not greeted", kind))
		return
	}
	if event.Event.Room == nil {
		panic("participant_joined without a room")
	}
	wait, err := delay()
	if err != nil {
		exit(never, err.Error())
	}
	if event.Attempt == 1 && wait > 0 {
		write("retry", map[string]any{"after_ms": wait})
		exit(tryAgain, "the client needs a moment")
	}
	name := participant.Name
	if name == "" {
		name = participant.Identity
	}
	log.Info(fmt.Sprintf("greeting %s in %s, attempt %d", name, event.Event.Room.Name, event.Attempt))
	write("publish", map[string]any{
		"subject": os.Getenv("subject"),
		"data":    greeting(participant) + ", " + name,
		"headers": map[string]string{
			"event-id":  event.ID,
			"identity":  participant.Identity,
			"joined-at": integer(participant.JoinedAt),
		},
	})
}

// greeting is config.greeting_<language>, where the participant's metadata names a language, else config.greeting.
func greeting(participant *participant) string {
	var metadata struct{ Language string }
	if participant.Metadata != "" {
		if err := json.Unmarshal([]byte(participant.Metadata), &metadata); err != nil {
			exit(never, fmt.Sprintf("the metadata of %s is no JSON", participant.Identity))
		}
	}
	for _, key := range []string{"greeting_" + metadata.Language, "greeting"} {
		if text, ok := os.LookupEnv(key); ok {
			return text
		}
	}
	return "welcome"
}

// delay is config.delay_ms: how long to wait before the greeting.
func delay() (uint64, error) {
	text, ok := os.LookupEnv("delay_ms")
	if !ok {
		return 0, nil
	}
	ms, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("`config.delay_ms` is %q, which is no number of milliseconds", text)
	}
	return ms, nil
}

// check says, before the handler goes live, what is wrong in its config.
func check() {
	if os.Getenv("subject") == "" {
		write("refuse", "set `config.subject`")
	}
	if _, err := delay(); err != nil {
		write("refuse", err.Error())
	}
}

// integer is a 64-bit integer as text, whichever it came as.
func integer(value any) string {
	if number, ok := value.(float64); ok {
		return strconv.FormatInt(int64(number), 10)
	}
	return fmt.Sprint(value)
}

// write writes a line to stdout: an effect, or how the event ended.
func write(name string, value any) {
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{name: value}); err != nil {
		panic(err)
	}
}

// exit ends the program; the last line of stderr is the reason.
func exit(code int, reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(code)
}
