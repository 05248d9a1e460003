package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
)

// report is one line of stdout: what became of one webhook.
type report struct {
	ID    string `json:"id"`
	Event string `json:"event"`
	URL   string `json:"url"`
	// Whether it was an extra webhook.
	Extra bool `json:"extra"`
	// sent: answered, with whatever status is not tried again. failed: given up. dropped: never tried.
	Outcome string `json:"outcome"`
	// HTTP status of a webhook that was sent.
	Status int `json:"status,omitempty"`
	// Why it was dropped, in the notifier's words: age, or queue is full.
	Reason string `json:"reason,omitempty"`
	// Why it was given up, in the notifier's words, with the number of attempts.
	Error string `json:"error,omitempty"`
	// Unix milliseconds; 0 where there was no such moment.
	QueuedAtMs int64 `json:"queued_at_ms"`
	SentAtMs   int64 `json:"sent_at_ms"`
	// From the first attempt to the end.
	SendDurationMs int64 `json:"send_duration_ms"`
}

// reports writes the lines of both notifiers.
type reports struct {
	mu     sync.Mutex
	out    *json.Encoder
	failed error
}

func newReports(out io.Writer) *reports {
	return &reports{out: json.NewEncoder(out)}
}

func (r *reports) write(line report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Encode(line); err != nil && r.failed == nil {
		r.failed = fmt.Errorf("cannot write what became of a webhook: %w", err)
	}
}

func (r *reports) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *reports) of(extra bool) *half {
	return &half{Logger: logger.GetDiscardLogger(), reports: r, extra: extra, words: map[string]words{}}
}

// words is what only the log line says of a webhook's end.
type words struct {
	status int
	reason string
}

// half listens to one of the two notifiers: the hook has ids and times, the log line before it has status and reason.
// Both come from one goroutine for one webhook, and those of one id are in one queue.
type half struct {
	logger.Logger
	reports *reports
	extra   bool
	mu      sync.Mutex
	words   map[string]words
}

// Infow is called by the notifier with "sent webhook" and "dropped webhook".
func (h *half) Infow(_ string, fields ...any) {
	id, found := "", words{}
	for i := 0; i+1 < len(fields); i += 2 {
		switch fields[i] {
		case "id":
			id = fmt.Sprint(fields[i+1])
		case "statusCode":
			found.status, _ = fields[i+1].(int)
		case "reason":
			found.reason = fmt.Sprint(fields[i+1])
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words[id] = found
}

// processed is the notifier's hook.
func (h *half) processed(_ context.Context, info *livekit.WebhookInfo) {
	h.mu.Lock()
	said := h.words[info.EventId]
	delete(h.words, info.EventId)
	h.mu.Unlock()
	line := report{
		ID:             info.EventId,
		Event:          info.Event,
		URL:            info.Url,
		Extra:          h.extra,
		Status:         said.status,
		Reason:         said.reason,
		Error:          info.SendError,
		SendDurationMs: info.SendDurationNs / 1e6,
	}
	if at := info.QueuedAt.AsTime(); at.Unix() > 0 {
		line.QueuedAtMs = at.UnixMilli()
	}
	if at := info.SentAt.AsTime(); at.Unix() > 0 {
		line.SentAtMs = at.UnixMilli()
	}
	switch {
	case info.IsDropped:
		line.Outcome = "dropped"
	case info.SendError != "":
		line.Outcome = "failed"
	default:
		line.Outcome = "sent"
	}
	h.reports.write(line)
}
