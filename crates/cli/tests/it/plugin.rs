//! `roomwire plugin`.

mod dev;
mod new;
mod recording;
mod walk;

use serde_json::json;
use testkit::fixtures;

use crate::call::Place;

fn guest(name: &str) -> String {
    fixtures::path(&format!("guests/{name}.wasm")).display().to_string()
}

fn publish() -> String {
    fixtures::plugin("publish").unwrap().display().to_string()
}

#[test]
fn check_tells_the_contract_what_is_imported_and_which_grants_that_may_need() {
    let place = Place::new();
    let called = place.call(&["plugin", "check", &publish(), "--output", "json"]);
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [component] = called.json().try_into().unwrap();
    assert_eq!((&component["contract"], &component["grants"]), (&json!("component"), &json!(["allow.publish"])));
    assert_eq!(component["size"], std::fs::metadata(publish()).unwrap().len());
    let imports = component["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("roomwire:plugin/effects@0.1.0")), "{imports:?}");
    let called = place.call(&["plugin", "check", &guest("exit")]);
    assert!(called.code == 0 && called.stdout.contains("is a command and fits"), "{}", called.stdout);
}

#[test]
fn check_says_what_does_not_fit_in_words_and_ends_with_1() {
    let place = Place::new();
    let wrong = fixtures::plugin("wrong-world").unwrap().display().to_string();
    let called = place.call(&["plugin", "check", &wrong]);
    assert_eq!((called.code, called.stdout.as_str()), (1, ""));
    assert!(called.stderr.contains("it exports `elsewhere:jobs/handler@0.1.0`, and neither"), "{}", called.stderr);
    std::fs::write(place.path().join("empty.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let called = place.call(&["plugin", "check", "empty.wasm"]);
    assert!(called.code == 1 && called.stderr.contains("it exports no `_start`"), "{}", called.stderr);
    assert_eq!(place.call(&["plugin", "check", "absent.wasm"]).code, 1);
}

#[test]
fn run_shows_what_one_event_would_set_off() {
    let place = Place::new();
    let arguments = ["plugin", "run", &publish(), "--set", "subject=meetings.{room}.{kind}", "--room", "r1"];
    let called = place.call(&[&arguments[..], &["--event", "room_started", "--output", "json"]].concat());
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [run] = called.json().try_into().unwrap();
    assert_eq!((&run["outcome"], &run["publish"][0]["subject"]), (&json!("done"), &json!("meetings.r1.room_started")));
    let text = place.call(&arguments);
    assert!(
        text.stdout.contains("done in ") && text.stdout.contains("publish  meetings.r1.participant_joined"),
        "{}",
        text.stdout
    );
}

#[test]
fn run_takes_a_file_as_the_event_and_a_handler_with_its_grants_from_the_configuration() {
    let place = Place::new();
    place.write("event.json", r#"{"event":"room_finished","id":"EV_1","room":{"name":"r1"}}"#);
    place.write(
        "roomwire.yaml",
        &format!(
            "handlers:\n  - {{ name: meetings, plugin: {}, on: \"*\", config: {{ subject: \"elsewhere.{{kind}}\" }}, \
             allow: {{ publish: [\"meetings.>\"] }} }}\n",
            publish()
        ),
    );
    let arguments = ["plugin", "run", "--handler", "meetings", "--event", "event.json"];
    let denied = place.call(&arguments);
    assert!(
        denied.code == 1 && denied.stdout.contains("`elsewhere.room_finished` is not granted"),
        "{}",
        denied.stdout
    );
    let granted = place.call(&[&arguments[..], &["--set", "subject=meetings.{kind}"]].concat());
    assert!(granted.code == 0 && granted.stdout.contains("publish  meetings.room_finished"), "{}", granted.stdout);
    let unknown = place.call(&["plugin", "run", "--handler", "meter"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("no handler `meter`, only `meetings`"), "{}", unknown.stderr);
}

#[test]
fn what_cannot_be_an_event_is_a_usage_error() {
    let place = Place::new();
    place.write("event.json", "{}");
    for event in ["room_startet", "event.json"] {
        let called = place.call(&["plugin", "run", &guest("exit"), "--event", event]);
        assert_eq!(called.code, 64, "{}", called.stderr);
    }
    assert_eq!(place.call(&["plugin", "run"]).code, 64);
    assert_eq!(place.call(&["plugin", "run", &guest("exit"), "--set", "a"]).code, 64);
}

#[test]
fn test_compares_with_what_is_expected_and_writes_it_with_update() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("tests")).unwrap();
    let event = r#"{"event":"room_finished","id":"EV_1","room":{"name":"r1"}}"#;
    place.write("tests/ends.json", &format!(r#"{{"event": {event}, "config": {{"k": "{{\"skip\":\"not mine\"}}"}}}}"#));
    let echo = guest("echo");
    let call = |more: &[&str]| place.call(&[&["plugin", "test", &echo], more].concat());
    let first = call(&[]);
    assert!(first.code == 1 && first.stdout.contains("there is no `expect` yet"), "{}", first.stdout);
    assert_eq!(call(&["--update"]).code, 0);
    let written = std::fs::read_to_string(place.path().join("tests/ends.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written["expect"], json!({"outcome": "skipped", "error": "not mine"}));
    let second = call(&[]);
    assert!(second.code == 0 && second.stdout.ends_with("1 passed, 0 failed\n"), "{}", second.stdout);
    place.write("tests/ends.json", &serde_json::to_string(&written).unwrap().replace("\"not mine\"", "\"other\""));
    let third = call(&[]);
    assert!(
        third.code == 1 && third.stdout.contains("error: expected \"other\", got \"not mine\""),
        "{}",
        third.stdout
    );
    assert_eq!(call(&["--tests", "nowhere"]).code, 64);
}

#[test]
fn bench_counts_what_became_of_each_call() {
    let called = Place::new().call(&["plugin", "bench", &guest("exit"), "--calls", "20", "--output", "json"]);
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [measured] = called.json().try_into().unwrap();
    assert_eq!(measured["outcomes"], json!({"done": 20}));
    assert!(measured["p50_us"].as_u64() <= measured["p99_us"].as_u64());
}

#[test]
fn keys_are_those_that_a_test_sets_and_its_changes_are_held_against_what_is_expected() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("tests")).unwrap();
    let fixture = |calls: u32| {
        json!({
            "event": {"event": "room_finished", "id": "EV_1", "room": {"name": "r1"}},
            "config": {"k": r#"{"kv":{"bucket":"meter","key":"calls","add":2}}"#},
            "keys": {"meter": {"calls": calls.to_string()}},
            "expect": {"outcome": "done", "keys": {"meter": {"calls": "7"}}},
        })
    };
    place.write("tests/first.json", &fixture(5).to_string());
    place.write("tests/second.json", &fixture(6).to_string());
    let echo = guest("echo");
    let tested = place.call(&["plugin", "test", &echo, "--bucket", "meter"]);
    assert_eq!(tested.code, 1, "{}", tested.stderr);
    assert!(tested.stdout.contains("passed   first"), "{}", tested.stdout);
    assert!(
        tested.stdout.contains(r#"keys: expected {"meter":{"calls":"7"}}, got {"meter":{"calls":"8"}}"#),
        "{}",
        tested.stdout
    );
    let refused = place.call(&["plugin", "test", &echo]);
    assert!(refused.code == 64 && refused.stderr.contains("name it with `--bucket`"), "{}", refused.stderr);
}

#[test]
fn run_shows_which_keys_were_changed() {
    let line = r#"k={"kv":{"bucket":"meter","key":"calls","add":1}}"#;
    let arguments = ["plugin", "run", &guest("echo"), "--bucket", "meter", "--set", line, "--key", "meter/calls=41"];
    let called = Place::new().call(&arguments);
    assert!(
        called.code == 0 && called.stdout.contains("key      meter calls = 42"),
        "{}{}",
        called.stdout,
        called.stderr
    );
}

#[test]
fn a_command_finds_in_its_document_the_keys_that_the_flags_name() {
    let place = Place::new();
    let copy = guest("copy");
    let run = ["plugin", "run", &copy, "--key", "meter/in/ada=7", "--stdin-key", "meter/in/{participant}"];
    let called = place.call(&[&run[..], &["--bucket", "meter", "--output", "json"]].concat());
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [run] = called.json().try_into().unwrap();
    let document: serde_json::Value = serde_json::from_str(run["publish"][0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(document["kv"], json!({"meter": {"in/ada": "7"}}));
    let refused = place.call(&["plugin", "run", &copy, "--stdin-key", "meter/n"]);
    assert!(
        refused.code == 64 && refused.stderr.contains("bucket `meter`, which `allow.keyvalue` does not grant"),
        "{}",
        refused.stderr
    );
}
