// Command greeter greets everybody who joins a room, in their language, a moment after they came.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	_ "roomwire/command"
)

// What sysexits.h calls EX_TEMPFAIL and EX_DATAERR; the last line of stderr is the reason.
const (
	tryAgain = 75
	never    = 65
)

type event struct {
	ID      string
	Kind    string
	Attempt int
	Event   struct {
		Room        *struct{ Name string }
		Participant *participant
	}
}

type participant struct {
	Identity, Name, Metadata string
	// One that LiveKit itself does not know by name is a number.
	Kind any
	// A 64-bit integer is a text or a number.
	JoinedAt json.RawMessage
}

type object map[string]any

func main() {
	var event event
	if err := json.NewDecoder(os.Stdin).Decode(&event); err != nil {
		panic(err)
	}
	if event.Kind == "roomwire.check" {
		check()
	} else {
		handle(&event)
	}
}

func handle(event *event) {
	if event.Kind != "participant_joined" {
		say(object{"skip": "nobody joined"})
		return
	}
	participant, room := event.Event.Participant, event.Event.Room
	if participant == nil {
		give(never, "no participant in the event")
	}
	if kind := participant.Kind; kind != nil && kind != "STANDARD" {
		fmt.Fprintf(os.Stderr, "DEBUG:greeter:%s is no person\n", participant.Identity)
		say(object{"skip": fmt.Sprint(kind, " is not greeted")})
		return
	}
	if room == nil {
		panic("participant_joined without a room")
	}
	wait, err := delay()
	if err != nil {
		give(never, err.Error())
	}
	if event.Attempt == 1 && wait > 0 {
		say(object{"retry": object{"after_ms": wait}})
		give(tryAgain, "the client needs a moment")
	}
	name := participant.Name
	if name == "" {
		name = participant.Identity
	}
	fmt.Fprintf(os.Stderr, "INFO:greeter:greeting %s in %s, attempt %d\n", name, room.Name, event.Attempt)
	subject, ok := os.LookupEnv("subject")
	if !ok {
		give(never, "set `config.subject`")
	}
	joinedAt, err := strconv.Unquote(string(participant.JoinedAt))
	if err != nil {
		joinedAt = string(participant.JoinedAt)
	}
	say(object{"publish": object{
		"subject": subject,
		"data":    greeting(participant) + ", " + name,
		"headers": object{"event-id": event.ID, "identity": participant.Identity, "joined-at": joinedAt},
	}})
}

// greeting is config.greeting_<language>, where the participant's metadata names a language, else config.greeting.
func greeting(participant *participant) string {
	var metadata struct{ Language string }
	if participant.Metadata != "" {
		if err := json.Unmarshal([]byte(participant.Metadata), &metadata); err != nil {
			give(never, fmt.Sprintf("the metadata of %s is no JSON", participant.Identity))
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
		say(object{"refuse": "set `config.subject`"})
	}
	if _, err := delay(); err != nil {
		say(object{"refuse": err.Error()})
	}
}

// say writes a line on stdout, an effect or an end.
func say(line object) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

// give ends the program with a reason.
func give(code int, reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(code)
}
