//! Wrong configurations: place, words and hint.

use super::*;

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        refused("nats:\n  url: nats://127.0.0.1\nhandlrs:\n  - name: x\n"),
        "conf/roomwire.yaml:3:1: unknown key `handlrs`\n  did you mean `handlers`? the configuration may hold `livekit`, \
         `nats`, `streams`, `receiver`, `runner`, `state`, `admin`, `secrets`, `privacy`, `plugins`, `handlers`"
    );
    assert_eq!(
        refused("receiver:\n  limits: { conections: 1 }\n"),
        "conf/roomwire.yaml:2:13: unknown key `conections`\n  did you mean `connections`? `limits` may hold `connections`, \
         `in_flight`, `memory`, `header_bytes`, `headers`, `header_timeout`, `body_timeout`, `answer_timeout`, \
         `idle_timeout`, `tls_timeout`, `http2_streams`, `http2_window`, `http2_resets`, `http2_ping`, `http2_ping_timeout`"
    );
    assert_eq!(
        refused(&handler("retry: { banana: 1 }")),
        "conf/roomwire.yaml:5:14: unknown key `banana`\n  `retry` may hold `for`, `initial`, `max`, `jitter`, \
         `crash_attempts`"
    );
}

#[test]
fn a_key_that_is_planned_is_refused_rather_than_ignored() {
    let hint = "remove it; this version would ignore what it asks for";
    for (text, words) in [
        ("livekit: { projects: [] }\n".to_owned(), "1:12: `projects` is not supported yet in `livekit`"),
        (handler("native: state"), "5:5: `native` is not supported yet in a handler"),
    ] {
        assert_eq!(refused(&text), format!("conf/roomwire.yaml:{words}\n  {hint}"));
    }
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let text = "receiver:\n  listen: localhost:80\nadmin: 7\nstreams:\n  shards: 0\n";
    assert_eq!(
        refused(text),
        "conf/roomwire.yaml:2:11: `listen` is `localhost:80`, which is not an address\n  write `127.0.0.1:80` for this \
         machine only, `0.0.0.0:80` for every interface\n\
         conf/roomwire.yaml:3:8: `admin` is a number, not a map\n  it may hold `listen`\n\
         conf/roomwire.yaml:5:11: `shards` is `0`\n  write a whole number from 1 to 256"
    );
}

#[test]
fn a_bad_value_comes_with_what_is_allowed() {
    for (text, words) in [
        (
            "receiver: { answer_within: 5 }\n".to_owned(),
            "1:28: `answer_within` is `5`, which is not a duration\n  write the unit too, such as `5s` or `5ms`",
        ),
        (
            "receiver: { answer_within: soon }\n".to_owned(),
            "1:28: `answer_within` is `soon`, which is not a duration\n  write a number and a unit, such as `500ms`, `5s`, \
             `10m` or `1h`",
        ),
        (
            "streams: { keep: 2h }\nstate: { keep: 1h }\n".to_owned(),
            "2:16: `keep` is 1h\n  it may be from 2h to 20years",
        ),
        ("receiver: { answer_within: 1m }\n".to_owned(), "1:28: `answer_within` is 1m\n  it may be from 50ms to 10s"),
        (
            "receiver: { max_body: big }\n".to_owned(),
            "1:23: `max_body` is `big`, which is not a size\n  write a number and a unit, such as `512KiB`, `64MiB` or \
             `8GiB`",
        ),
        (
            "receiver: { max_body: 1GiB }\n".to_owned(),
            "1:23: `max_body` is 1.0 GiB\n  it may be from 1.0 KiB to 60.0 MiB",
        ),
        (
            "receiver: { limits: { memory: 8MiB } }\n".to_owned(),
            "1:31: `memory` is 8.0 MiB, which does not hold one request\n  write at least 16809984, or lower \
             `receiver.max_body`",
        ),
        (
            "receiver: { tls: { cert: a.crt } }\n".to_owned(),
            "1:18: `key` is missing\n  write it as `key: /etc/roomwire/tls.key`",
        ),
        (
            "receiver: { path: livekit }\n".to_owned(),
            "1:19: `path` is `livekit`\n  write a path that begins with `/` and has no query, such as `/livekit`",
        ),
        ("streams: { replicas: 2 }\n".to_owned(), "1:22: `replicas` is `2`\n  it may be `1`, `3`, `5`"),
        (
            "nats: { prefix: RW }\n".to_owned(),
            "1:17: `prefix` is `RW`\n  write a lower-case letter, then up to 31 of lower-case letters, digits, `_` and `-`",
        ),
        (
            "state: { url: mysql://localhost/rw }\n".to_owned(),
            "1:15: `url` is `mysql://localhost/rw`\n  write `sqlite:` and a path, such as `sqlite:state.db`, or \
             `postgres://user@host/database`",
        ),
        (
            "state: { url: state.db }\n".to_owned(),
            "1:15: `url` is `state.db`\n  write `sqlite:` and a path, such as `sqlite:state.db`, or `postgres://user@host/database`",
        ),
        (
            "receiver: { quarantine: on }\n".to_owned(),
            "1:25: `quarantine` is text, not a map\n  write `off`, or a map such as `{ max_bytes: 256MiB, rate: 200/s }`",
        ),
        (
            "receiver: { quarantine: { max_bytes: 32MiB } }\n".to_owned(),
            "1:38: `max_bytes` is 32.0 MiB, of which a quarter must hold one body of `receiver.max_body` and its headers\n  \
             write at least 33685504, or lower `receiver.max_body`",
        ),
        (
            "receiver: { quarantine: { rate: 200 } }\n".to_owned(),
            "1:33: `rate` is `200`\n  write a number from 1 to 100000 a second, such as `200/s`",
        ),
        (
            "privacy: { drop: [metadata, id] }\n".to_owned(),
            "1:18: `drop` names `id`, without which an event cannot be told from another\n  remove it; name fields such as \
             `turnPassword`, `streamKey` or `metadata`",
        ),
        (
            "privacy: { drop: room.metadata }\n".to_owned(),
            "1:18: `drop` names `room.metadata`, which looks like a path\n  write the name of the field alone: it is removed \
             at any depth",
        ),
    ] {
        assert_eq!(refused(&text), format!("conf/roomwire.yaml:{words}"));
    }
}

#[test]
fn a_bad_value_of_a_handler_comes_with_what_is_allowed() {
    for (text, words) in [
        (handler("order: rom"), "5:12: `order` is `rom`\n  did you mean `room`? it may be `room`, `none`"),
        (handler("on_dead: stop"), "5:14: `on_dead` is `stop`\n  it may be `continue`, `hold`"),
        (
            handler("start: yesterday"),
            "5:12: `start` is `yesterday`\n  write `new`, `all`, or a time such as `2026-01-31T12:00:00Z`",
        ),
        (handler("timeout: 0s"), "5:14: `timeout` is 0s\n  it may be from 10ms to 1h"),
        (handler("concurrency: many"), "5:18: `concurrency` is `many`\n  write a whole number from 1 to 4096"),
        (handler("retry: { jitter: 2 }"), "5:22: `jitter` is `2`\n  write a number from 0 to 1, such as `0.2`"),
        (
            handler("rate: 100"),
            "5:11: `rate` is `100`, which is not a rate\n  write a whole number and a time, such as `100/s`, `30/m` or `5/h`",
        ),
        (
            handler("rate: 0/s"),
            "5:11: `rate` is `0/s`, which is not a rate\n  write a whole number and a time, such as `100/s`, `30/m` or `5/h`",
        ),
        (
            handler("breaker: { initial: 10s, max: 1s }"),
            "5:35: `max` is below `initial`, 10s\n  raise `max` or lower `initial`",
        ),
        (handler("waiting: { bytes: 1KiB }"), "5:23: `bytes` is 1.0 KiB\n  it may be from 64.0 KiB to 64.0 GiB"),
        (
            handler("retry: { initial: 10s, max: 1s }"),
            "5:33: `max` is below `initial`, 10s\n  raise `max` or lower `initial`",
        ),
        (
            handler("config: { list: [1] }"),
            "5:21: `config.list` is a list\n  write text, a number, or true or false; plugins read their configuration as \
             text",
        ),
        (handler("when: \"\""), "5:11: `when` is empty\n  write a value, or remove the key"),
    ] {
        assert_eq!(refused(&text), format!("conf/roomwire.yaml:{words}"));
    }
}

#[test]
fn a_handler_without_what_it_needs_says_what_is_missing() {
    assert_eq!(
        refused("handlers:\n  - name: Meter\n    on: []\n"),
        "conf/roomwire.yaml:2:5: `plugin` is missing\n  write it as `plugin: ./usage_meter.wasm`\n\
         conf/roomwire.yaml:2:11: `name` is `Meter`\n  write up to 64 of lower-case letters, digits, `_` and `-`, \
         beginning with a letter or a digit\n\
         conf/roomwire.yaml:3:9: `on` names no event\n  write `[participant_joined]`, `[participant_*]`, or `\"*\"`"
    );
    assert_eq!(
        refused("handlers: { name: x }\n"),
        "conf/roomwire.yaml:1:11: `handlers` is a map, not a list\n  write a `-` before each handler: `- name: usage-meter`"
    );
}

#[test]
fn keys_that_sign_plugins_are_a_list_that_is_not_empty() {
    assert_eq!(
        refused("plugins: { trusted_keys: [] }\n"),
        "conf/roomwire.yaml:1:26: `trusted_keys` is an empty list\n  name the public keys that may sign plugins, or remove \
         `trusted_keys`, so that none need be signed"
    );
    assert!(refused("plugins: { trusted_key: x }\n").contains("did you mean `trusted_keys`?"));
}

#[test]
fn two_handlers_of_one_name_are_refused() {
    let two = format!("{}{}", handler(""), handler("").replace("handlers:\n", ""));
    assert_eq!(
        refused(&two),
        "conf/roomwire.yaml:5:5: a second handler is named `meter`\n  give each handler a name of its own; progress is kept \
         under it"
    );
}

#[test]
fn a_handler_cannot_be_allowed_to_publish_what_is_not_its_own() {
    for (pattern, words) in [
        (">", "`>` could reach `$SYS`, `_INBOX` and `prod`"),
        ("*.done", "`*.done` could reach `$SYS`, `_INBOX` and `prod`"),
        ("$JS.>", "`$JS.>` belongs to NATS itself"),
        ("_INBOX.x", "`_INBOX.x` belongs to NATS itself"),
        ("prod.ev.>", "`prod.ev.>` belongs to Roomwire, whose subjects begin with `prod`"),
        ("prod", "`prod` belongs to Roomwire, whose subjects begin with `prod`"),
        ("usage..x", "`usage..x` is not a subject pattern"),
        ("usage.>.x", "`usage.>.x` is not a subject pattern"),
        ("usage.x*", "`usage.x*` is not a subject pattern"),
        ("usage x", "`usage x` is not a subject pattern"),
    ] {
        let text = format!("nats: {{ prefix: prod }}\n{}", handler(&format!("allow: {{ publish: [\"{pattern}\"] }}")));
        let error = refused(&text);
        assert!(error.starts_with(&format!("conf/roomwire.yaml:6:24: {words}\n")), "{error}");
    }
    let other = handler("allow: { publish: [\"production.>\"] }");
    assert!(read(&format!("nats: {{ prefix: prod }}\n{other}")).handlers[0].allow.may_publish("production.x"));
}

#[test]
fn a_file_that_is_not_yaml_is_refused_where_it_stops_being_yaml() {
    for (text, words) in [
        ("nats:\n  url: [\nreceiver: {}\n", "2:8: unclosed bracket '['"),
        ("nats:\n\turl: x\n", "2:2: tabs disallowed within this context (block indentation)"),
        ("nats: {}\nnats: {}\n", "2:1: `nats` stands here a second time; keep one of the two"),
        ("nats: {}\n---\nnats: {}\n", "3:1: a second document begins here; write one document a file"),
        (
            "- a\n",
            "1:1: the configuration is a list, not a map\n  it may hold `livekit`, `nats`, `streams`, `receiver`, \
             `runner`, `state`, `admin`, `secrets`, `privacy`, `plugins`, `handlers`",
        ),
    ] {
        assert_eq!(refused(text), format!("conf/roomwire.yaml:{words}"));
    }
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_option() {
    let error = load(Path::new("/nowhere/roomwire.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/roomwire.yaml; name the file with `--config`"
    );
}
