// Command roll-call uses each capability of the host once, by the event's type: what must come of it is in
// e2e/conformance/roll-call.json.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"roomwire"
	_ "roomwire/wasihttp"
)

func init() {
	roomwire.Export("roll-call", roomwire.Handler{Handle: handle})
}

func main() {}

func handle(event *roomwire.Event) error {
	switch event.Kind {
	case "participant_joined":
		return joined(event)
	case "participant_left":
		return left(event)
	case "room_started":
		return ask(event)
	case "room_finished":
		return sendOn(event)
	case "track_published":
		return postWithSecret(event)
	case "track_unpublished":
		_, err := http.Get("http://not-granted.invalid/")
		return err
	case "egress_started":
		return listRooms()
	case "egress_ended":
		one(event)
		return nil
	case "ingress_ended":
		_, err := roomwire.OpenBucket("not-granted")
		return err
	default:
		return roomwire.Skip("not on the roll")
	}
}

func joined(event *roomwire.Event) error {
	slog.Info(event.Participant + " joined")
	bucket, err := open()
	if err != nil {
		return err
	}
	count, err := bucket.Add("joined", 1)
	if err != nil {
		return err
	}
	if err := bucket.Set("last", []byte(event.Participant)); err != nil {
		return err
	}
	return tell(struct {
		Room     string `json:"room"`
		Identity string `json:"identity"`
		Joined   int64  `json:"joined"`
	}{event.Room, event.Participant, count})
}

func left(event *roomwire.Event) error {
	bucket, err := open()
	if err != nil {
		return err
	}
	value, found, err := bucket.Get("last")
	if err != nil {
		return err
	}
	if err := bucket.Delete("last"); err != nil {
		return err
	}
	keys, err := bucket.Keys()
	if err != nil {
		return err
	}
	slices.Sort(keys)
	var last *string
	if found {
		text := string(value)
		last = &text
	}
	return tell(struct {
		Room string   `json:"room"`
		Last *string  `json:"last"`
		Keys []string `json:"keys"`
	}{event.Room, last, keys})
}

func ask(event *roomwire.Event) error {
	endpoint, err := roomwire.Require("endpoint")
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodGet, endpoint+"/rooms/"+url.PathEscape(event.Room), nil)
	if err != nil {
		return err
	}
	request.Header.Set("x-event-id", event.ID)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusOK:
		return publish(body)
	case answer.StatusCode == http.StatusNotFound:
		return roomwire.Permanent("upstream does not know " + event.Room)
	default:
		return roomwire.Retry(fmt.Sprintf("upstream answered %d", answer.StatusCode), 0)
	}
}

func sendOn(event *roomwire.Event) error {
	endpoint, err := roomwire.Require("endpoint")
	if err != nil {
		return err
	}
	return roomwire.Send(roomwire.Request{
		Method: "POST", URL: endpoint + "/finished", Headers: [][2]string{{"x-room", event.Room}}, Body: []byte(event.JSON),
	})
}

func postWithSecret(event *roomwire.Event) error {
	body, err := event.Webhook()
	if err != nil {
		return err
	}
	endpoint, err := roomwire.Require("endpoint")
	if err != nil {
		return err
	}
	token, err := roomwire.Secret("TOKEN")
	if err != nil {
		return err
	}
	sid, err := json.Marshal(map[string]string{"sid": body.Track.SID})
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, endpoint+"/tracks", bytes.NewReader(sid))
	if err != nil {
		return err
	}
	request.Header.Set("authorization", "Bearer "+token)
	request.Header.Set("content-type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return roomwire.Retry(fmt.Sprintf("upstream answered %d", answer.StatusCode), 0)
	}
	return nil
}

func listRooms() error {
	var answer struct{ Rooms []struct{ Name string } }
	if err := roomwire.LiveKit("RoomService", "ListRooms", struct{}{}, &answer); err != nil {
		return err
	}
	names := []string{}
	for _, room := range answer.Rooms {
		names = append(names, room.Name)
	}
	return tell(map[string][]string{"rooms": names})
}

func one(event *roomwire.Event) { two(event) }

func two(event *roomwire.Event) { three(event) }

func three(event *roomwire.Event) {
	panic("three calls deep in " + event.Kind)
}

func open() (*roomwire.Bucket, error) {
	name, err := roomwire.Require("bucket")
	if err != nil {
		return nil, err
	}
	return roomwire.OpenBucket(name)
}

func tell(what any) error {
	data, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return publish(data)
}

func publish(data []byte) error {
	subject, err := roomwire.Require("subject")
	if err != nil {
		return err
	}
	return roomwire.Publish(roomwire.Message{Subject: subject, Data: data})
}
