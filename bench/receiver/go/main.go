// A receiver of LiveKit's webhooks in Go, as its documentation shows it, that publishes each event to JetStream and
// answers when it is acknowledged. The benchmark compares Roomwire's receiver with it.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/webhook"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protojson"
)

const publishWithin = 5 * time.Second

type receiver struct {
	keys      auth.KeyProvider
	jetstream jetstream.JetStream
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := webhook.Receive(request, r.keys)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	event := &livekit.WebhookEvent{}
	options := protojson.UnmarshalOptions{DiscardUnknown: true, AllowPartial: true}
	if err := options.Unmarshal(body, event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(request.Context(), publishWithin)
	defer cancel()
	message := &nats.Msg{Subject: "bench.ev." + event.Event, Data: body}
	if _, err := r.jetstream.PublishMsg(ctx, message, jetstream.WithMsgID(event.Id)); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func main() {
	connection, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(connection)
	if err != nil {
		log.Fatal(err)
	}
	keys := auth.NewSimpleKeyProvider(os.Getenv("LIVEKIT_API_KEY"), os.Getenv("LIVEKIT_API_SECRET"))
	http.Handle("POST /livekit", &receiver{keys: keys, jetstream: js})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
