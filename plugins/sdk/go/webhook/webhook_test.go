package webhook

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

func TestWhatIsNewerThanThisModulePasses(t *testing.T) {
	found, err := Parse(`{"event": "moon_landed", "createdAt": "1795429074", "moon": {"phase": 4},
		"participant": {"identity": "ada", "kind": "ROBOT", "state": 17, "joinedAt": 1795429074, "wings": [1]}}`)
	if err != nil {
		t.Fatal(err)
	}
	who := found.Participant
	if found.CreatedAt != 1795429074 || who.Kind != "ROBOT" || who.State != "17" || who.JoinedAt != 1795429074 {
		t.Fatalf("%+v %+v", found, who)
	}
}

func TestAbsentNamesMeanTheFirstOfTheirList(t *testing.T) {
	found, err := Parse(`{"participant": {}, "track": null}`)
	if err != nil || found.Track != nil || found.Participant.Kind != "STANDARD" || found.Participant.State != "JOINING" {
		t.Fatalf("%+v: %v", found, err)
	}
}

func TestAWrongTypeIsAnError(t *testing.T) {
	for _, body := range []string{`{"createdAt": "soon"}`, `{"event": 1}`, `{"participant": {"kind": true}}`, `[]`, `{`} {
		if found, err := Parse(body); err == nil {
			t.Errorf("%s: %+v", body, found)
		}
	}
}

func TestEveryRecordedBodyCanBeRead(t *testing.T) {
	for _, name := range []string{"livekit-1.11.0/meeting", "livekit-1.11.0/two-rooms-and-abort", "livekit-sender-1.54.0-all-types"} {
		file, err := os.Open("../../../../crates/testkit/fixtures/" + name + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var request struct{ Body string }
			if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
				t.Fatal(err)
			}
			var plain map[string]any
			_ = json.Unmarshal([]byte(request.Body), &plain)
			found, err := Parse(request.Body)
			if err != nil {
				t.Fatalf("%s: %v", request.Body, err)
			}
			_, has := plain["participant"]
			if found.ID != plain["id"] || strconv.Itoa(int(found.CreatedAt)) != plain["createdAt"] || has != (found.Participant != nil) {
				t.Fatalf("%s: %+v", request.Body, found)
			}
		}
	}
}
