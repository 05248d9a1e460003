package roomwire

import (
	"errors"
	"fmt"
	"testing"

	"roomwire/internal/host"
)

func TestARequestIsSentOrWhatWasRefusedIsSaid(t *testing.T) {
	host.Answer = func(url string) (host.Failed, string) {
		if url == "https://a/b" {
			return host.Fine, ""
		}
		return host.Denied, url + " is not granted"
	}
	if err := Send(Request{Method: "POST", URL: "https://a/b"}); err != nil {
		t.Fatal(err)
	}
	got := outcome(Send(Request{Method: "POST", URL: "https://c"}))
	if got != (host.Outcome{End: host.Permanent, Why: "https://c is not granted"}) {
		t.Fatalf("%+v", got)
	}
}

func TestASecretIsThereOrItsGrantIsNamed(t *testing.T) {
	host.Secrets = map[string]string{"TOKEN": "x"}
	if value, err := Secret("TOKEN"); value != "x" || err != nil {
		t.Fatal(value, err)
	}
	_, err := Secret("OTHER")
	if outcome(err) != (host.Outcome{
		End: host.Permanent, Why: "the secret `OTHER` is not granted; add it to the handler's `secrets`",
	}) {
		t.Fatal(err)
	}
}

func TestLiveKitIsAskedInJSON(t *testing.T) {
	host.Answered = func(service, method, request string) (string, host.LiveKitFailed) {
		if asked := service + "/" + method + " " + request; asked != `RoomService/ListRooms {"names":["blue"]}` {
			t.Error(asked)
		}
		return `{"rooms":[{"name":"blue","sid":"RM_1"}]}`, host.LiveKitFailed{}
	}
	var answer struct{ Rooms []struct{ Name string } }
	err := LiveKit("RoomService", "ListRooms", map[string]any{"names": []string{"blue"}}, &answer)
	if err != nil || len(answer.Rooms) != 1 || answer.Rooms[0].Name != "blue" {
		t.Fatal(answer, err)
	}
	if err := LiveKit("RoomService", "ListRooms", map[string]any{"names": []string{"blue"}}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyRefusalsOfLiveKitThatMayPassAreTriedAgain(t *testing.T) {
	for _, row := range []struct {
		failed host.LiveKitFailed
		want   host.Outcome
	}{
		{host.LiveKitFailed{End: host.LiveKitDenied, Why: "no"}, host.Outcome{End: host.Permanent, Why: "no"}},
		{
			host.LiveKitFailed{End: host.LiveKitRefused, Code: "not_found", Why: "no such room"},
			host.Outcome{End: host.Permanent, Why: "S/M: no such room (not_found)"},
		},
		{
			host.LiveKitFailed{End: host.LiveKitRefused, Code: "unavailable", Why: "soon"},
			host.Outcome{End: host.Retry, Why: "S/M: soon (unavailable)"},
		},
		{host.LiveKitFailed{End: host.LiveKitUnavailable, Why: "502"}, host.Outcome{End: host.Retry, Why: "S/M: 502"}},
		{host.LiveKitFailed{End: host.LiveKitOther, Why: "no JSON"}, host.Outcome{End: host.Permanent, Why: "S/M: no JSON"}},
	} {
		host.Answered = func(string, string, string) (string, host.LiveKitFailed) { return "", row.failed }
		if got := outcome(LiveKit("S", "M", struct{}{}, nil)); got != row.want {
			t.Errorf("%+v", got)
		}
	}
	var refused *LiveKitError
	host.Answered = func(string, string, string) (string, host.LiveKitFailed) {
		return "", host.LiveKitFailed{End: host.LiveKitRefused, Code: "not_found"}
	}
	err := fmt.Errorf("room: %w", LiveKit("S", "M", struct{}{}, nil))
	if !errors.As(err, &refused) || refused.Code != "not_found" || outcome(err).End != host.Permanent {
		t.Fatal(err)
	}
}
