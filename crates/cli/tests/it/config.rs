//! `roomwire config`.

mod compare;

use serde_json::json;

use crate::call::Place;

const WRONG: &str = "handlers:\n  - name: meter\n    plugin: ./meter.wasm\n    on: [room_started]\n    timout: 1s\n";
const RIGHT: &str = "handlers:\n  - name: meter\n    plugin: ./meter.wasm\n    on: [room_started, room_start]\n";

#[test]
fn a_wrong_file_ends_with_64_and_names_line_and_hint() {
    let place = Place::new();
    place.write("roomwire.yaml", WRONG);
    let called = place.call(&["config", "validate"]);
    assert_eq!(called.code, 64);
    assert!(
        called
            .stdout
            .starts_with("roomwire.yaml:5:5: unknown key `timout`\n  did you mean `timeout`? a handler may hold "),
        "{}",
        called.stdout
    );
}

#[test]
fn problems_are_objects_with_output_json() {
    let place = Place::new();
    place.write("other.yaml", WRONG);
    let called = place.call(&["--output", "json", "--config", "other.yaml", "config", "validate"]);
    assert_eq!(called.code, 64);
    let [problem] = called.json().try_into().unwrap();
    assert_eq!(
        (&problem["level"], &problem["file"], &problem["line"], &problem["column"], &problem["message"]),
        (&json!("error"), &json!("other.yaml"), &json!(5), &json!(5), &json!("unknown key `timout`"))
    );
}

#[test]
fn an_expression_that_does_not_compile_and_a_plugin_that_is_not_there_are_found() {
    let place = Place::new();
    place.write("roomwire.yaml", &format!("{RIGHT}    when: event.room.name ==\n"));
    let called = place.call(&["config", "validate"]);
    assert_eq!(called.code, 64);
    let lines: Vec<&str> = called.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    let [plugin, when, warning] = lines.try_into().unwrap();
    assert_eq!(plugin, "roomwire.yaml:3:13: the plugin of handler `meter` is not there: ./meter.wasm");
    assert!(when.starts_with("roomwire.yaml:5:11: `when` is not a CEL expression"), "{when}");
    assert_eq!(warning, "roomwire.yaml:4:24: `room_start` is no event that LiveKit is known to send");
}

#[test]
fn a_right_file_is_accepted_with_its_warnings() {
    let place = Place::new();
    place.write("roomwire.yaml", RIGHT);
    place.write("meter.wasm", "");
    let called = place.call(&["--output", "json", "config", "validate"]);
    assert_eq!(called.code, 0, "{}", called.stdout);
    let [warning, result] = called.json().try_into().unwrap();
    assert_eq!(warning["level"], "warning");
    assert_eq!(result, json!({"valid": true, "file": "roomwire.yaml", "handlers": ["meter"]}));
}

#[test]
fn without_a_file_the_defaults_are_valid() {
    let called = Place::new().call(&["config", "validate"]);
    assert_eq!((called.code, called.stdout.as_str()), (0, "there is no configuration file; the defaults are valid\n"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let called = Place::new().call(&["--config", "nowhere.yaml", "config", "validate"]);
    assert_eq!(called.code, 64);
    assert!(called.stderr.starts_with("error: cannot read the configuration nowhere.yaml; "), "{}", called.stderr);
}

#[test]
fn the_schema_goes_to_stdout_as_one_json_document() {
    let called = Place::new().call(&["config", "schema"]);
    assert_eq!((called.code, called.stderr.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&called.stdout).unwrap();
    assert_eq!(schema["properties"]["handlers"]["items"]["required"], serde_json::json!(["name", "plugin", "on"]));
}
