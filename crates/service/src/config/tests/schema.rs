//! The schema that editors complete by holds what the configuration takes, and no more.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::{SCHEMA, parse};

/// The maps that have keys of their own.
const MAPS: usize = 22;

/// What a schema offers: its default, its first example, or all that it may hold.
fn sample(schema: &Value) -> Value {
    if let Some(offered) = schema.get("default").or_else(|| schema.pointer("/examples/0")) {
        return offered.clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        // One of two that may not stand together.
        let kept = properties.iter().filter(|(key, _)| *key != "nkey");
        return kept.map(|(key, schema)| (key.clone(), sample(schema))).collect::<Map<_, _>>().into();
    }
    match (schema.get("items"), schema.pointer("/anyOf/0")) {
        (Some(items), _) => json!([sample(items)]),
        (None, Some(first)) => sample(first),
        (None, None) => schema["enum"][0].clone(),
    }
}

/// All maps of the schema that stand in the sample, with their places in it.
fn maps<'s>(schema: &'s Value, document: &Value, place: &str, found: &mut Vec<(String, &'s Value)>) {
    if let Some(properties) = schema["properties"].as_object()
        && document.pointer(place).is_some_and(Value::is_object)
    {
        found.push((place.to_owned(), schema));
        for (key, schema) in properties {
            maps(schema, document, &format!("{place}/{key}"), found);
        }
    }
    if let Some(items) = schema.get("items") {
        maps(items, document, &format!("{place}/0"), found);
    }
    let named = document.pointer(place).and_then(Value::as_object).and_then(|named| named.keys().next());
    if let (Some(of), Some(name)) = (schema.get("additionalProperties"), named) {
        maps(of, document, &format!("{place}/{name}"), found);
    }
    for schema in schema["anyOf"].as_array().into_iter().flatten() {
        maps(schema, document, place, found);
    }
}

#[test]
fn every_map_has_the_keys_in_the_schema_that_the_configuration_knows() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let document = sample(&schema);
    let mut found = Vec::new();
    maps(&schema, &document, "", &mut found);
    assert_eq!(found.len(), MAPS, "{:?}", found.iter().map(|(place, _)| place).collect::<Vec<_>>());
    for (place, schema) in found {
        let mut document = document.clone();
        document.pointer_mut(&place).unwrap()["zzzzzzzz"] = json!(1);
        let error = parse(&document.to_string(), Path::new("roomwire.yaml")).unwrap_err().to_string();
        let said = error.split_once("unknown key `zzzzzzzz`").unwrap_or_else(|| panic!("{place}: {error}")).1;
        let known = said.lines().nth(1).and_then(|hint| hint.split_once(" may hold ")).unwrap().1;
        let known: BTreeSet<&str> = known.split(", ").map(|key| key.trim_matches('`')).collect();
        let offered: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(offered, known, "{place}");
    }
}

#[test]
fn what_the_schema_offers_is_a_configuration_that_holds() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let config = parse(&sample(&schema).to_string(), Path::new("roomwire.yaml")).unwrap();
    assert!(config.warnings.is_empty() && config.handlers.len() == 1, "{:?}", config.warnings);
}

#[test]
fn the_defaults_in_the_schema_are_those_of_a_file_that_says_nothing() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let sections = ["streams", "receiver", "runner", "admin", "state"];
    let mut stated = Map::new();
    for section in sections {
        stated.insert(section.to_owned(), defaults(&schema["properties"][section]));
    }
    let of = |text: &str| {
        let config = parse(text, Path::new("roomwire.yaml")).unwrap();
        format!("{:#?}", (config.streams, config.receiver, config.runner, config.admin, config.state))
    };
    // Its absence is `up`'s own default.
    stated["receiver"].as_object_mut().unwrap().remove("spool");
    assert_eq!(of(&Value::from(stated).to_string()), of(""));
    let handler = |more: Value| {
        let mut handler = json!({ "name": "a", "plugin": "b", "on": "*" });
        handler.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = parse(&json!({ "handlers": [handler] }).to_string(), Path::new("roomwire.yaml")).unwrap();
        let mut handler = config.handlers.into_iter().next().unwrap();
        (handler.written, handler.plugin_place) = Default::default();
        format!("{handler:#?}")
    };
    let mut stated = defaults(&schema["properties"]["handlers"]["items"]);
    // It may only stand where requests are granted.
    stated.as_object_mut().unwrap().remove("send");
    assert_eq!(handler(stated), handler(json!({})));
}

/// All defaults of a map, and of the maps in it.
fn defaults(schema: &Value) -> Value {
    let mut found = Map::new();
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let inner = schema.pointer("/anyOf/0").filter(|it| it.get("properties").is_some()).unwrap_or(schema);
        if let Some(default) = schema.get("default") {
            found.insert(key.clone(), default.clone());
        } else if inner.get("properties").is_some() {
            let inner = defaults(inner);
            if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                found.insert(key.clone(), inner);
            }
        }
    }
    found.into()
}
