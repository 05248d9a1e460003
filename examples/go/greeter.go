// Command greeter greets everybody who joins a room, in their language, a moment after they came.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"roomwire"
	"roomwire/webhook"
)

func init() {
	roomwire.Export("greeter", roomwire.Handler{Handle: handle, Check: check})
}

func main() {}

func handle(event *roomwire.Event) error {
	if event.Kind != "participant_joined" {
		return roomwire.Skip("nobody joined")
	}
	body, err := event.Webhook()
	if err != nil {
		return err
	}
	participant := body.Participant
	if participant == nil {
		return roomwire.Permanent("no participant in the event")
	}
	if participant.Kind != "STANDARD" {
		slog.Debug(participant.Identity + " is no person")
		return roomwire.Skip(fmt.Sprintf("%s is not greeted", participant.Kind))
	}
	if body.Room == nil {
		panic("participant_joined without a room")
	}
	wait, err := delay()
	if err != nil {
		return err
	}
	if event.Attempt == 1 && wait > 0 {
		return roomwire.Retry("the client needs a moment", wait)
	}
	name := participant.Name
	if name == "" {
		name = participant.Identity
	}
	slog.Info(fmt.Sprintf("greeting %s in %s, attempt %d", name, body.Room.Name, event.Attempt))
	subject, err := roomwire.Require("subject")
	if err != nil {
		return err
	}
	text, err := greeting(participant)
	if err != nil {
		return err
	}
	return roomwire.Publish(roomwire.Message{
		Subject: subject,
		Data:    []byte(text + ", " + name),
		Headers: [][2]string{
			{"event-id", event.ID},
			{"identity", participant.Identity},
			{"joined-at", strconv.FormatInt(int64(participant.JoinedAt), 10)},
		},
	})
}

// greeting is config.greeting_<language>, where the participant's metadata names a language, else config.greeting.
func greeting(participant *webhook.Participant) (string, error) {
	var metadata struct{ Language string }
	if participant.Metadata != "" {
		if err := json.Unmarshal([]byte(participant.Metadata), &metadata); err != nil {
			return "", roomwire.Permanent(fmt.Sprintf("the metadata of %s is no JSON", participant.Identity))
		}
	}
	for _, key := range []string{"greeting_" + metadata.Language, "greeting"} {
		if text, ok := roomwire.Config(key); ok {
			return text, nil
		}
	}
	return "welcome", nil
}

// delay is config.delay_ms: how long to wait before the greeting.
func delay() (time.Duration, error) {
	text, ok := roomwire.Config("delay_ms")
	if !ok {
		return 0, nil
	}
	ms, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, roomwire.Permanent(fmt.Sprintf("`config.delay_ms` is %q, which is no number of milliseconds", text))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// check says, before the handler goes live, what is wrong in its config.
func check() error {
	if _, err := roomwire.Require("subject"); err != nil {
		return err
	}
	_, err := delay()
	return err
}
