//! `roomwire config diff` and `explain`.

use serde_json::json;

use crate::call::Place;

const OLD: &str = "\
handlers:
  - { name: meter, plugin: ./meter.wasm, on: [participant_joined], when: event.room.name.startsWith('paid-'), rate: 10/s }
  - { name: goes, plugin: ./meter.wasm, on: \"*\" }
";

const NEW: &str = "\
streams: { keep: 7d }
handlers:
  - { name: comes, plugin: ./meter.wasm, on: [room_*], start: all }
  - { name: usage, renamed_from: meter, plugin: ./meter.wasm, on: [participant_joined], rate: 20/s }
";

#[test]
fn diff_says_of_each_handler_what_changes_and_what_that_means() {
    let place = Place::new();
    place.write("old.yaml", OLD);
    // The same relative paths are the same files, wherever the other file lies.
    std::fs::create_dir(place.path().join("elsewhere")).unwrap();
    place.write("elsewhere/new.yaml", NEW);
    let called = place.call(&["config", "diff", "old.yaml", "elsewhere/new.yaml", "--output", "json"]);
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [comes, usage, goes, note] = called.json().try_into().unwrap();
    assert_eq!((&comes["handler"], &comes["what"]), (&json!("comes"), &json!("added")));
    assert!(comes["means"].as_str().unwrap().starts_with("begins with the oldest event that is stored"), "{comes}");
    assert_eq!((&usage["handler"], &usage["what"]), (&json!("usage"), &json!("renamed")));
    assert!(usage["means"].as_str().unwrap().contains("takes over all that is stored of `meter`"), "{usage}");
    let changes: Vec<_> =
        usage["changes"].as_array().unwrap().iter().map(|it| (&it["key"], &it["old"], &it["new"])).collect();
    let when = json!("\"event.room.name.startsWith('paid-')\"");
    let expected = [(json!("when"), when, json!(null)), (json!("rate"), json!("10/s"), json!("20/s"))];
    assert_eq!(changes, expected.iter().map(|(key, old, new)| (key, old, new)).collect::<Vec<_>>());
    assert_eq!((&goes["handler"], &goes["what"]), (&json!("goes"), &json!("removed")));
    assert!(goes["means"].as_str().unwrap().contains("`roomwire handler drop`"), "{goes}");
    assert_eq!(note, json!({"note": "`streams` is taken when the runner is restarted"}));
    let text = place.call(&["config", "diff", "old.yaml", "old.yaml"]);
    assert_eq!((text.code, text.stdout.as_str()), (0, "no handler changes\n"));
}

#[test]
fn diff_ends_with_1_where_a_running_runner_would_refuse_and_with_64_where_the_file_is_wrong() {
    let place = Place::new();
    place.write("old.yaml", OLD);
    place.write("shards.yaml", &format!("streams: {{ shards: 9 }}\n{OLD}"));
    place.write("wrong.yaml", "handlers: 5\n");
    let called = place.call(&["config", "diff", "old.yaml", "shards.yaml"]);
    assert_eq!(called.code, 1);
    assert!(called.stdout.starts_with("refused: `streams.shards` would change from `4` to `9`"), "{}", called.stdout);
    assert_eq!(place.call(&["config", "diff", "old.yaml", "wrong.yaml"]).code, 64);
    assert_eq!(place.call(&["config", "diff"]).code, 64);
}

#[test]
fn explain_names_who_takes_an_event_which_clause_decides_and_the_key() {
    let place = Place::new();
    place.write("roomwire.yaml", OLD);
    place.write("event.json", r#"{"event":"participant_joined","id":"EV_1","room":{"name":"free-1"}}"#);
    let called = place.call(&["config", "explain", "--event", "event.json", "--output", "json"]);
    assert_eq!(called.code, 0, "{}", called.stderr);
    let [event, meter, goes] = called.json().try_into().unwrap();
    assert_eq!((&event["event"], &event["key"]), (&json!("participant_joined"), &json!("free-1")));
    assert!(event["shard"].as_u64().unwrap() < 4);
    assert_eq!((&meter["takes"], &meter["clause"]), (&json!(false), &json!("when")));
    assert_eq!(meter["when"][0]["value"], json!("false"));
    assert_eq!(
        meter["when"][1],
        json!({"depth": 1, "text": "event.room.name", "value": "\"free-1\"", "decides": false})
    );
    assert_eq!((&goes["takes"], &goes["clause"], &goes["order"]), (&json!(true), &json!("on"), &json!("room")));

    let made = place.call(&["config", "explain", "roomwire.yaml", "--event", "room_started", "--room", "paid-7"]);
    assert!(
        made.stdout.contains("meter: does not take it: `on` is [participant_joined], and none of it is `room_started`"),
        "{}",
        made.stdout
    );
    assert_eq!(place.call(&["config", "explain", "--event", "nothing"]).code, 64);
}
