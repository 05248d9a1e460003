// Command notifier sends webhooks with the notifier that livekit-server itself uses: the Go package
// github.com/livekit/protocol/webhook. Tests tell it what to send and hear what became of it.
//
// It reads one command a line from stdin:
//
//	{"webhook": <WebhookEvent in protojson>, "extra": [{"url": "http://…", "signingKey": "name"}]}
//
// and writes one line to stdout for each webhook when its end is known (see report). Where `extra` has no url it is
// --url, and where it has no signingKey it is --key. At the end of stdin it waits for what is queued and exits with 0.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/protojson"
	"github.com/livekit/protocol/webhook"
)

// A line of stdin may hold the largest webhook there is.
const maxLine = 32 << 20

type command struct {
	Webhook json.RawMessage `json:"webhook"`
	Extra   []struct {
		URL        string `json:"url"`
		SigningKey string `json:"signingKey"`
	} `json:"extra"`
}

// secrets are the keys besides --key, given as name=secret.
type secrets map[string]string

func (s secrets) String() string { return fmt.Sprintf("%d keys", len(s)) }

func (s secrets) Set(text string) error {
	name, secret, found := strings.Cut(text, "=")
	if !found || name == "" || secret == "" {
		return errors.New("write it as name=secret")
	}
	s[name] = secret
	return nil
}

type settings struct {
	url, key, secret string
	keys             secrets
	clientTimeout    time.Duration
}

func main() {
	s := settings{keys: secrets{}}
	flag.StringVar(&s.url, "url", "", "where webhooks are sent")
	flag.StringVar(&s.key, "key", "devkey", "name of the API key that signs")
	flag.StringVar(&s.secret, "secret", "", "its secret")
	flag.Var(s.keys, "extra-key", "name=secret of a key that an extra webhook may be signed with; may be repeated")
	flag.DurationVar(&s.clientTimeout, "client-timeout", 0, "how long an answer may take; 0 is the notifier's own limit")
	flag.Parse()
	if s.url == "" || s.secret == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "error: --url and --secret are required, and nothing beside flags is understood")
		os.Exit(64)
	}
	if err := run(s, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(s settings, in io.Reader, out io.Writer) error {
	webhook.InitWebhookStats(nil)
	s.keys[s.key] = s.secret
	n := newNotifier(s, newReports(out))
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for number := 1; lines.Scan(); number++ {
		if err := n.notify(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read commands: %w", err)
	}
	n.drain()
	return n.reports.failure()
}

// notifier is what webhook.DefaultNotifier is: one notifier for the configured URL, one that all extra webhooks share.
// It is put together here because the hook of a DefaultNotifier does not hear of extra webhooks.
type notifier struct {
	settings settings
	reports  *reports
	main     *webhook.ResourceURLNotifier
	extra    *webhook.ResourceURLNotifier
}

func newNotifier(s settings, reports *reports) *notifier {
	return &notifier{
		settings: s,
		reports:  reports,
		main:     newURLNotifier(s, reports.of(false), s.url),
		extra:    newURLNotifier(s, reports.of(true), ""),
	}
}

func newURLNotifier(s settings, of *half, url string) *webhook.ResourceURLNotifier {
	n := webhook.NewResourceURLNotifier(webhook.ResourceURLNotifierParams{
		HTTPClientParams: webhook.HTTPClientParams{ClientTimeout: s.clientTimeout},
		Logger:           of,
		URL:              url,
		APIKey:           s.key,
		APISecret:        s.secret,
	})
	n.RegisterProcessedHook(of.processed)
	return n
}

// notify does as DefaultNotifier.QueueNotify: where an event is dropped, what comes after it is not sent either.
func (n *notifier) notify(line []byte) error {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("not a command: %w", err)
	}
	event := &livekit.WebhookEvent{}
	if err := protojson.Unmarshal(c.Webhook, event); err != nil {
		return fmt.Errorf("not a WebhookEvent: %w", err)
	}
	ctx := context.Background()
	// An error is a full queue. The hook has heard of it.
	if n.main.QueueNotify(ctx, event) != nil {
		return nil
	}
	for _, extra := range c.Extra {
		url, key := extra.URL, extra.SigningKey
		if url == "" {
			url = n.settings.url
		}
		if key == "" {
			key = n.settings.key
		}
		secret := n.settings.keys[key]
		if secret == "" {
			return fmt.Errorf("the key %q has no secret: give it with --extra-key", key)
		}
		config := []*livekit.WebhookConfig{{Url: url, SigningKey: key}}
		if n.extra.QueueNotify(ctx, event, webhook.WithExtraWebhooks(config), webhook.WithSecret(secret)) != nil {
			return nil
		}
	}
	return nil
}

// drain waits until what is queued is sent, given up or dropped.
func (n *notifier) drain() {
	n.main.Stop(false)
	n.extra.Stop(false)
}
