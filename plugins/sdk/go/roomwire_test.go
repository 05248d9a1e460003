package roomwire

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"roomwire/internal/host"
)

func TestWhatHandleReturnsIsTheOutcome(t *testing.T) {
	for _, row := range []struct {
		err  error
		want host.Outcome
	}{
		{nil, host.Outcome{End: host.Done}},
		{Skip("why"), host.Outcome{End: host.Skipped, Why: "why"}},
		{Retry("busy", 50*time.Millisecond), host.Outcome{End: host.Retry, Why: "busy", AfterMS: 50}},
		{Permanent("no"), host.Outcome{End: host.Permanent, Why: "no"}},
		{fmt.Errorf("room: %w", Permanent("no")), host.Outcome{End: host.Permanent, Why: "room: no"}},
		{errors.New("refused"), host.Outcome{End: host.Retry, Why: "refused"}},
	} {
		if got := outcome(row.err); got != row.want {
			t.Errorf("%v: %+v", row.err, got)
		}
	}
}

func TestOnlyWhatMayPassIsTriedAgain(t *testing.T) {
	for failed, end := range map[host.Failed]host.End{
		host.Fine: host.Done, host.Denied: host.Permanent, host.TooLarge: host.Permanent,
		host.QuotaExceeded: host.Permanent, host.Other: host.Retry,
	} {
		host.Answer = func(string) (host.Failed, string) { return failed, "why" }
		if got := outcome(Publish(Message{Subject: "a"})); got.End != end {
			t.Errorf("%v: %+v", failed, got)
		}
	}
}

func TestSlogWritesToTheHost(t *testing.T) {
	host.Logged = nil
	log := slog.New(NewLogHandler("greeter"))
	log.Info("hello", "who", "ada", slog.Group("room", "name", "blue"))
	log.With("a", 1).WithGroup("g").Warn("late", "b", 2)
	want := []string{"info greeter hello who=ada room.name=blue", "warn greeter late a=1 g.b=2"}
	if len(host.Logged) != 2 || host.Logged[0] != want[0] || host.Logged[1] != want[1] {
		t.Fatalf("%q", host.Logged)
	}
}

func TestARequiredKeyThatIsNotThereIsNamed(t *testing.T) {
	if _, err := Require("subject"); err == nil || err.Error() != "set `config.subject`" {
		t.Fatal(err)
	}
	host.Configured["subject"] = "a"
	if value, err := Require("subject"); value != "a" || err != nil {
		t.Fatal(value, err)
	}
}

func TestABodyThatCannotBeReadIsAPermanentFailure(t *testing.T) {
	_, err := (&Event{JSON: "[]"}).Webhook()
	if outcome(err).End != host.Permanent {
		t.Fatal(err)
	}
}
