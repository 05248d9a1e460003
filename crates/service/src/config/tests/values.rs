//! Right configurations.

use std::time::Duration;

use super::*;

#[test]
fn an_empty_file_is_the_default_configuration() {
    for text in ["", "# only a comment\n", "---\n", "handlers: []\n", "nats:\nreceiver:\n"] {
        let config = read(text);
        assert!(config.handlers.is_empty() && config.livekit.uses_dev_keys(), "{text:?}");
        assert_eq!(config.receiver.listen.to_string(), "127.0.0.1:8080", "{text:?}");
        assert_eq!(config.source.as_deref(), Some(Path::new(FILE)), "{text:?}");
    }
}

const EVERY_KEY: &str = r#"
livekit:
  keys:
    APIabc: ${LIVEKIT_API_SECRET}
    APIdef: { file: secrets/def }
nats: { url: "nats://${NATS_HOST}:4222", credentials: nats.creds, prefix: prod }
streams: { shards: 16, replicas: 3, duplicate_window: 2m, max_bytes: 64GiB }
receiver:
  listen: "[::]:9000"
  path: [/livekit, /hooks/two]
  answer_within: 500ms
  max_body: 1MiB
  leeway: 5s
  drain: 30s
  limits:
    { connections: 10, in_flight: 20, memory: 32MiB, header_bytes: 16KiB, headers: 30, header_timeout: 1s, body_timeout: 2s,
      answer_timeout: 3s, idle_timeout: 4s, tls_timeout: 5s, http2_streams: 6, http2_window: 128KiB, http2_resets: 7,
      http2_ping: 8s, http2_ping_timeout: 9s }
  tls: { cert: tls/cert.pem, key: /run/secrets/tls.key }
  quarantine: { max_bytes: 1GiB, rate: 50/s }
privacy: { drop: [turnPassword, metadata] }
runner: { drain: 1m }
state: { url: "sqlite:/var/lib/roomwire/state.db" }
admin: { listen: 0.0.0.0:9001 }
handlers:
  - name: usage-meter
    plugin: plugins/meter.wasm
    on: [participant_*, room_finished, roomwire.dead_letter]
    when: event.room.name.startsWith("paid-")
    start: 2026-01-31T12:00:00Z
    order: none
    on_dead: continue
    concurrency: 8
    timeout: 2s
    memory: 128MiB
    retry: { for: 2h, initial: 1s, max: 1m, jitter: 0.5, crash_attempts: 5 }
    breaker: { keys: 3, initial: 2s, max: 1m }
    rate: 30/m
    waiting: { events: 500, bytes: 16MiB, room_events: 32, park_after: 2s }
    config: { plan: pro, price: 1.10, code: 0755, eu: true, note: "yes", word: yes }
    allow: { publish: [usage.>, "billing.*.done"], http: "https://api.example.com" }
    send: { sign: APIdef, timeout: 3s, on_unknown: hold }
plugins: { trusted_keys: [RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3] }
"#;

#[test]
fn every_key_of_every_section_is_read() {
    let config = read(EVERY_KEY);
    assert_eq!(config.livekit.key_names(), ["APIabc", "APIdef"]);
    assert_eq!(config.nats.url.as_deref(), Some("nats://${NATS_HOST}:4222"));
    assert_eq!(config.nats.credentials.as_deref(), Some(Path::new("conf/nats.creds")));
    assert_eq!(config.nats.prefix.as_str(), "prod");
    let topology = config.topology();
    assert_eq!((topology.shards.get(), topology.replicas, topology.max_bytes), (16, 3, 64 << 30));
    assert_eq!(topology.duplicate_window, Duration::from_mins(2));
    assert_eq!(config.receiver.listen.to_string(), "[::]:9000");
    assert_eq!(config.receiver.paths, ["/livekit", "/hooks/two"]);
    assert_eq!(config.receiver.max_body, 1 << 20);
    let limits = &config.receiver.limits;
    assert_eq!((limits.connections, limits.in_flight, limits.memory), (10, 20, 32 << 20));
    assert_eq!((limits.header_bytes, limits.headers), (16 << 10, 30));
    let seconds = [
        limits.header_timeout,
        limits.body_timeout,
        limits.answer_timeout,
        limits.idle_timeout,
        limits.tls_timeout,
        limits.http2_ping,
        limits.http2_ping_timeout,
    ];
    assert_eq!(seconds.map(|time| time.as_secs()), [1, 2, 3, 4, 5, 8, 9]);
    assert_eq!((limits.http2_streams, limits.http2_window, limits.http2_resets), (6, 128 << 10, 7));
    let tls = config.receiver.tls.clone().unwrap();
    assert_eq!((tls.cert, tls.key), ("conf/tls/cert.pem".into(), "/run/secrets/tls.key".into()));
    let quarantine = config.receiver.quarantine.clone().unwrap();
    assert_eq!((quarantine.max_bytes, quarantine.rate.get()), (1 << 30, 50));
    assert_eq!(config.privacy.drop, ["turnPassword", "metadata"]);
    assert!(config.plugins.trusted_keys[0].text.starts_with("RWQf6"));
    assert_eq!(config.runner.drain, Duration::from_mins(1));
    assert_eq!(config.state.url, "sqlite:/var/lib/roomwire/state.db");
    assert_eq!(config.admin.listen.port(), 9001);
    assert_eq!(config.warnings, []);
}

#[test]
fn every_key_of_a_handler_is_read() {
    let config = read(EVERY_KEY);
    let [handler] = config.handlers.as_slice() else { panic!("one handler") };
    assert_eq!(handler.name.as_str(), "usage-meter");
    assert_eq!(handler.plugin, PluginSource::File("conf/plugins/meter.wasm".into()));
    assert!(handler.takes("participant_left") && handler.takes("room_finished") && !handler.takes("room_started"));
    assert!(handler.takes_dead_letters());
    let when = handler.when.clone().unwrap();
    assert_eq!((when.text.as_str(), when.place.line), ("event.room.name.startsWith(\"paid-\")", 29));
    assert_eq!(handler.start, Start::At(1_769_860_800_000));
    assert_eq!((handler.order, handler.on_dead), (Order::None, OnDead::Continue));
    assert_eq!((handler.concurrency.get(), handler.timeout, handler.memory), (8, Duration::from_secs(2), 128 << 20));
    assert_eq!(handler.retry.for_, Duration::from_hours(2));
    assert_eq!(handler.retry.crash_attempts.get(), 5);
    let breaker = handler.breaker.clone().unwrap();
    assert_eq!((breaker.keys.get(), breaker.initial.as_secs(), breaker.max.as_secs()), (3, 2, 60));
    let rate = handler.rate.unwrap();
    assert_eq!((rate.events.get(), rate.per), (30, Duration::from_mins(1)));
    let waiting = &handler.waiting;
    assert_eq!((waiting.events.get(), waiting.bytes, waiting.room_events.get()), (500, 16 << 20, 32));
    assert_eq!(waiting.park_after, Duration::from_secs(2));
    let settings: Vec<(&str, &str)> =
        handler.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        settings,
        [("code", "0755"), ("eu", "true"), ("note", "yes"), ("plan", "pro"), ("price", "1.10"), ("word", "yes")]
    );
    assert!(handler.allow.may_publish("usage.eu.joined") && handler.allow.may_publish("billing.eu.done"));
    let send = &handler.send;
    assert_eq!((send.sign.as_deref(), send.timeout.as_secs(), send.on_unknown), (Some("APIdef"), 3, OnUnknown::Hold));
    assert!(!handler.allow.may_publish("usage") && !handler.allow.may_publish("billing.done"));
}

#[test]
fn a_handler_needs_three_keys_and_has_defaults_for_the_rest() {
    let config = read(&handler(""));
    let handler = &config.handlers[0];
    assert_eq!(handler.start, Start::New);
    assert_eq!((handler.order, handler.on_dead), (Order::Room, OnDead::Continue));
    assert_eq!((handler.concurrency.get(), handler.timeout, handler.memory), (32, Duration::from_secs(5), 64 << 20));
    assert_eq!(handler.retry, Retry::default());
    assert_eq!((handler.breaker.clone(), handler.rate), (Some(Breaker::default()), None));
    assert_eq!(handler.waiting, Waiting::default());
    assert_eq!(handler.send, SendRules::default());
    assert_eq!(handler.allow, Allow::default(), "nothing is granted");
}

#[test]
fn the_breaker_is_on_unless_it_is_switched_off() {
    assert_eq!(read(&handler("breaker: off")).handlers[0].breaker, None);
    let handlers = read(&handler("breaker: { initial: 2m }")).handlers;
    let breaker = handlers[0].breaker.clone().unwrap();
    assert_eq!(
        (breaker.initial, breaker.max),
        (Duration::from_mins(2), Duration::from_mins(2)),
        "never below the first"
    );
}

#[test]
fn the_quarantine_is_on_unless_it_is_switched_off() {
    assert_eq!(read("").receiver.quarantine, Some(QuarantineSection::default()));
    assert_eq!(read("receiver: { quarantine: }\n").receiver.quarantine, Some(QuarantineSection::default()));
    assert_eq!(read("receiver: { quarantine: off }\n").receiver.quarantine, None);
}

#[test]
fn a_first_wait_above_the_usual_longest_one_raises_the_longest_one() {
    let config = read(&handler("retry: { initial: 10m }"));
    assert_eq!(config.handlers[0].retry.max, Duration::from_mins(10));
}

#[test]
fn anchors_and_merges_work_and_keep_the_place_where_they_are_used() {
    let config = read(
        "handlers:\n  - &base\n    name: one\n    plugin: ./a.wasm\n    on: \"*\"\n    timeout: 1s\n  - <<: *base\n    name: two\n",
    );
    assert_eq!(config.handlers[1].timeout, Duration::from_secs(1));
    assert_eq!(config.handlers[1].place.line, 7);
}

#[test]
fn an_event_that_livekit_is_not_known_to_send_is_a_warning_with_the_nearest_one() {
    let config = read(&handler("").replace("participant_joined", "participant_join, new_thing, egress_*, nothing_*"));
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "conf/roomwire.yaml:4:10: `participant_join` is no event that LiveKit is known to send\n  \
             did you mean `participant_joined`?",
            "conf/roomwire.yaml:4:28: `new_thing` is no event that LiveKit is known to send",
            "conf/roomwire.yaml:4:49: `nothing_*` is no event that LiveKit is known to send",
        ]
    );
}
