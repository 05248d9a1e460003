// Command roll-call uses each capability that a command has once, by the event's type: what must come of it is in
// e2e/conformance/roll-call.json. Of what it lacks it says so.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"

	_ "roomwire/command"
)

type event struct {
	Kind        string
	Room        string
	Participant string
	Raw         string
	Event       struct{ Track struct{ SID string } }
	KV          map[string]map[string]*string
}

type object map[string]any

func main() {
	var event event
	if err := json.NewDecoder(os.Stdin).Decode(&event); err != nil {
		panic(err)
	}
	switch event.Kind {
	case "participant_joined":
		joined(&event)
	case "participant_left":
		left(&event)
	case "room_started":
		say(object{"permanent": "it lacks http"})
	case "room_finished":
		send("/finished", object{"x-room": event.Room}, event.Raw)
	case "track_published":
		headers := object{"authorization": "Bearer " + os.Getenv("TOKEN"), "content-type": "application/json"}
		send("/tracks", headers, encoded(object{"sid": event.Event.Track.SID}))
	case "track_unpublished":
		say(object{"send": object{"method": "GET", "url": "http://not-granted.invalid/"}})
	case "egress_started":
		say(object{"permanent": "it lacks livekit"})
	case "egress_ended":
		one(&event)
	case "ingress_ended":
		say(object{"kv": object{"bucket": "not-granted", "key": "last", "delete": true}})
	default:
		say(object{"skip": "not on the roll"})
	}
}

func joined(event *event) {
	fmt.Fprintf(os.Stderr, "INFO:roll-call:%s joined\n", event.Participant)
	bucket, count := os.Getenv("bucket"), 0
	if found := event.KV[bucket]["joined"]; found != nil {
		count, _ = strconv.Atoi(*found)
	}
	say(object{"kv": object{"bucket": bucket, "key": "joined", "add": 1}})
	say(object{"kv": object{"bucket": bucket, "key": "last", "set": event.Participant}})
	tell(struct {
		Room     string `json:"room"`
		Identity string `json:"identity"`
		Joined   int    `json:"joined"`
	}{event.Room, event.Participant, count + 1})
}

func left(event *event) {
	bucket, keys := os.Getenv("bucket"), []string{}
	say(object{"kv": object{"bucket": bucket, "key": "last", "delete": true}})
	for key, value := range event.KV[bucket] {
		if key != "last" && value != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	tell(struct {
		Room string   `json:"room"`
		Last *string  `json:"last"`
		Keys []string `json:"keys"`
	}{event.Room, event.KV[bucket]["last"], keys})
}

func one(event *event) { two(event) }

func two(event *event) { three(event) }

func three(event *event) {
	panic("three calls deep in " + event.Kind)
}

func send(path string, headers object, body string) {
	url := os.Getenv("endpoint") + path
	say(object{"send": object{"method": "POST", "url": url, "headers": headers, "body": body}})
}

func tell(what any) {
	say(object{"publish": object{"subject": os.Getenv("subject"), "data": encoded(what)}})
}

func say(line object) { fmt.Println(encoded(line)) }

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
