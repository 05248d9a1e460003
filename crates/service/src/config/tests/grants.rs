//! What handlers are granted outside of themselves: hosts, networks, LiveKit's API, secrets.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;

fn allowed(line: &str) -> Allow {
    read(&format!("livekit: {{ url: wss://example.livekit.cloud }}\n{}", handler(line))).handlers.remove(0).allow
}

#[test]
fn hosts_networks_and_methods_are_read() {
    let allow = allowed(
        "allow: { http: [\"https://api.example.com\", \"http://10.0.0.7:9000\"], networks: 10.0.0.0/8, \
         livekit: [RoomService/RemoveParticipant, Egress/*] }",
    );
    let host = |text: &str| Host::parse(text).unwrap();
    assert!(allow.http[0].matches(true, &host("api.example.com"), 443));
    assert!(allow.http[1].matches(false, &host("10.0.0.7"), 9000));
    assert!(allow.networks[0].contains("10.9.9.9".parse().unwrap()));
    for (service, method, granted) in [
        ("RoomService", "RemoveParticipant", true),
        ("RoomService", "DeleteRoom", false),
        ("Egress", "StopEgress", true),
        ("Ingress", "StopEgress", false),
    ] {
        let may = allow.livekit.iter().any(|pattern| pattern.matches(service, method));
        assert_eq!(may, granted, "{service}/{method}");
    }
}

#[test]
fn a_grant_that_cannot_be_meant_is_refused_with_what_to_write() {
    for (line, words) in [
        (
            "allow: { http: api.example.com }",
            "`http` holds `api.example.com`, which is no scheme, host and port\n  write the scheme too, such as \
             `https://api.example.com`",
        ),
        (
            "allow: { http: \"https://api.example.com/v1\" }",
            "`http` holds `https://api.example.com/v1`, which is no scheme, host and port\n  leave the path out: a grant is \
             for a scheme, a host and a port",
        ),
        (
            "allow: { http: \"https://user:pass@api.example.com\" }",
            "`http` holds `https://user:pass@api.example.com`, which is no scheme, host and port\n  leave user and password \
             out; give the handler a secret instead",
        ),
        (
            "allow: { http: \"ftp://example.com\" }",
            "`http` holds `ftp://example.com`, which is no scheme, host and port\n  write `https://api.example.com`, \
             `https://*.example.com` or `http://127.0.0.1:9000`",
        ),
        (
            "allow: { http: \"http://a\", networks: [10.0.0.0/33] }",
            "`networks` holds `10.0.0.0/33`, which is no network\n  write an address and the number of its bits that count, \
             such as `10.0.0.0/8` or `fd00::/8`",
        ),
        (
            "send: { timeout: 3s }",
            "`send` says how requests are sent, and `allow.http` grants none\n  add `allow: { http: \
             [\"https://api.example.com\"] }`, or remove `send`",
        ),
        (
            "allow: { http: \"http://a\" }\nsend: { sign: APInone }",
            "`sign` is `APInone`, and `livekit.keys` has no such key\n  name one of those that are there: devkey",
        ),
        (
            "allow: { networks: [10.0.0.0/8] }",
            "`networks` says where the hosts of `http` may be, and `http` grants none\n  add `http: \
             [\"http://billing.internal:8080\"]`, or remove `networks`",
        ),
        (
            "allow: { livekit: [RoomService/RemoveParticipant] }",
            "`livekit` grants calls, and `livekit.url` at the top of the file does not say where to\n  add `url: \
             https://example.livekit.cloud` to `livekit` there",
        ),
        (
            "allow: { livekit: [Ingress/ListIngres] }",
            "`livekit` holds `ListIngres`, which is no method of Ingress\n  did you mean `ListIngress`? there are \
             `CreateIngress`, `UpdateIngress`, `ListIngress`, `DeleteIngress`",
        ),
        (
            "allow: { livekit: [RoomServices/ListRooms] }",
            "`livekit` holds `RoomServices`, which is no service\n  did you mean `RoomService`? there are `RoomService`, \
             `Egress`, `Ingress`, `AgentDispatchService`, `SIP`",
        ),
        (
            "allow: { livekit: [ListRooms] }",
            "`livekit` holds `ListRooms`, which names no method\n  write service and method, such as \
             `RoomService/RemoveParticipant`, or `Egress/*` for all of a service",
        ),
    ] {
        let error = refused(&handler(line));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_url_of_livekit_is_that_of_its_api() {
    for (text, url) in [
        ("wss://example.livekit.cloud", "https://example.livekit.cloud"),
        ("ws://127.0.0.1:7880/", "http://127.0.0.1:7880"),
        ("http://[::1]:7880", "http://[::1]:7880"),
    ] {
        assert_eq!(read(&format!("livekit: {{ url: \"{text}\" }}\n")).livekit.url.as_deref(), Some(url));
    }
    for text in ["example.livekit.cloud", "https://*.livekit.cloud", "https://example.livekit.cloud/api"] {
        assert!(refused(&format!("livekit: {{ url: \"{text}\" }}\n")).contains("`url` is"), "{text}");
    }
}

const SECRETS: &str = "secrets:\n  BILLING_TOKEN: ${BILLING}\n  OTHER: { file: absent }\n";

#[test]
fn only_the_secrets_that_are_asked_for_are_read() {
    let config = read(&format!("{SECRETS}{}", handler("secrets: [BILLING_TOKEN]")));
    let names = &config.handlers[0].secrets;
    let secrets = config.secrets.resolve(names, &|name| (name == "BILLING").then(|| "hunter22".to_owned())).unwrap();
    assert_eq!(
        secrets.iter().map(|(name, text)| (name.as_str(), text.expose())).collect::<Vec<_>>(),
        [("BILLING_TOKEN", "hunter22")]
    );
    assert!(!format!("{secrets:?}{config:?}").contains("hunter22"));
}

#[test]
fn a_secret_that_is_not_there_or_too_short_is_named_and_not_shown() {
    let config = read(SECRETS);
    let names = ["BILLING_TOKEN".to_owned(), "OTHER".to_owned()];
    let error = config.secrets.resolve(&names, &|_| None).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "conf/roomwire.yaml:2:18: the secret `BILLING_TOKEN` needs the environment variable BILLING, which is not \
             set\n  set BILLING, or write `{ file: /run/secrets/billing }` instead"
        ),
        "{error}"
    );
    assert!(error.contains("the secret `OTHER` cannot be read from conf/absent"), "{error}");
    let error = config.secrets.resolve(&names[..1], &|_| Some("psst".to_owned())).unwrap_err().to_string();
    assert!(error.contains("`BILLING_TOKEN` has 4 characters; it must have at least 6") && !error.contains("psst"));
}

#[test]
fn a_handler_can_ask_only_for_secrets_that_there_are() {
    let error = refused(&format!("{SECRETS}{}", handler("secrets: [BILLING_TOKN]")));
    assert!(error.contains("there is no secret `BILLING_TOKN`\n  did you mean `BILLING_TOKEN`?"), "{error}");
    let error = refused(&handler("secrets: API_KEY"));
    assert!(error.contains("add it at the top of the file: `secrets: { API_KEY: ${API_KEY} }`"), "{error}");
    assert!(refused("secrets: { \"a b\": x }\n").contains("`a b` cannot be the name of a secret"));
    assert!(refused("secrets: [A]\n").contains("`secrets` is a list, not a map"));
}

#[test]
fn buckets_are_names_or_say_what_is_not_as_with_others() {
    let allow = allowed(
        "allow: { keyvalue: [usage, { name: totals, scope: shared, ttl: 30d, max_keys: 9, max_bytes: 1MiB, max_key: 8, \
         max_value: 1KiB }] }",
    );
    let totals = BucketConfig {
        name: "totals".to_owned(),
        scope: KeyScope::Shared,
        ttl: Some(Duration::from_hours(30 * 24)),
        max_keys: NonZeroU32::new(9).unwrap(),
        max_bytes: 1 << 20,
        max_key: NonZeroU32::new(8).unwrap(),
        max_value: 1 << 10,
    };
    assert_eq!(allow.keyvalue, [BucketConfig::named("usage"), totals]);
    let usage = &allow.keyvalue[0];
    assert_eq!((usage.scope, usage.max_keys.get(), usage.max_value), (KeyScope::Private, 100_000, 64 << 10));
}

#[test]
fn a_bucket_that_cannot_be_meant_is_refused_with_what_to_write() {
    for (line, words) in [
        (
            "allow: { keyvalue: [us/age] }",
            "`keyvalue` holds a bucket that is named `us/age`\n  write up to 64 of letters, digits, `-`, `_` and `.`, such as \
             `usage`",
        ),
        ("allow: { keyvalue: [{ scope: shared }] }", "`name` is missing\n  write it as `name: usage`"),
        ("allow: { keyvalue: [a, { name: a }] }", "`keyvalue` grants the bucket `a` twice"),
        ("allow: { keyvalue: [{ name: a, scop: shared }] }", "unknown key `scop`\n  did you mean `scope`?"),
        ("allow: { keyvalue: [{ name: a, scope: all }] }", "`private`"),
        ("allow: { keyvalue: [{ name: a, max_value: 1GiB }] }", "`max_value`"),
    ] {
        let error = refused(&handler(line));
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn the_keys_of_a_document_are_read_by_bucket() {
    let config = read(&handler(
        "allow: { keyvalue: [usage, totals] }\nstdin_keys: { usage: [count, \"in/{participant}\"], totals: n }",
    ));
    let keys = &config.handlers[0].stdin_keys;
    let of =
        |bucket: &str| keys[bucket].iter().map(|it| it.key(Some("blue"), Some("ada")).unwrap()).collect::<Vec<_>>();
    assert_eq!((of("usage"), of("totals")), (vec!["count".to_owned(), "in/ada".to_owned()], vec!["n".to_owned()]));
}

#[test]
fn a_key_of_a_document_that_cannot_be_meant_is_refused_with_what_to_write() {
    let many = format!("usage: [{}]", (0..101).map(|at| format!("k{at}")).collect::<Vec<_>>().join(", "));
    for (keys, words) in [
        (
            "{ usge: [count] }",
            "`stdin_keys` reads bucket `usge`, which `allow.keyvalue` does not grant\n  did you mean `usage`? granted are \
             `usage`",
        ),
        ("{ totals: [count] }", "does not grant\n  add it: `allow: { keyvalue: [totals] }`"),
        ("[count]", "`stdin_keys` is a list, not a map\n  write bucket and keys: `stdin_keys: { usage: [count] }`"),
        ("{ usage: }", "`stdin_keys.usage` is"),
        (
            "{ usage: [\"in/{identity}\"] }",
            "`in/{identity}` has `{identity}` in it, which no event has\n  of an event there are \
          `{room}` (its name) and `{participant}` (its identity)",
        ),
        ("{ usage: [\"in/{room\"] }", "opens a brace and does not close it"),
        ("{ usage: [\"\"] }", "a key must not be empty"),
        (
            "{ usage: [\"a long key, {room}\"] }",
            "`a long key, {room}` is longer than the bucket's `max_key`, which is 8 bytes",
        ),
        (&format!("{{ {many} }}"), "`stdin_keys` has 101 keys; it may have 100"),
    ] {
        let error =
            refused(&handler(&format!("allow: {{ keyvalue: [{{ name: usage, max_key: 8 }}] }}\nstdin_keys: {keys}")));
        assert!(error.contains(words), "{keys}: {error}");
    }
}
