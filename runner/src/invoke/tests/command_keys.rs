//! The keys that a handler names for its command: read as a component would, and held against the store like its reads.

use serde_json::{Value, json};

use super::keys::{World, grants};
use super::rig::{Rig, published};
use super::*;

/// A program that publishes the document that it reads, and one that writes these lines; both as one handler.
async fn world(allow: &str, more: &str, lines: &str) -> (World, Rig) {
    let copy = Rig::command("copy", &[], grants(allow, more)).await;
    (World::of(copy).await, Rig::command("echo", &[("k", lines)], grants(allow, more)).await)
}

fn of(participant: Option<&str>) -> wit::Event {
    wit::Event { participant: participant.map(str::to_owned), ..event("r") }
}

/// What the program found in `kv`.
async fn found(world: &World, participant: Option<&str>, room: &str) -> Value {
    let finished = world.run_of(&world.rig, of(participant), room).await;
    let document: Value = serde_json::from_str(&published(&finished)).unwrap();
    document["kv"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_finds_the_keys_that_its_handler_names_as_a_component_would_read_them() {
    let lines = [
        r#"{"kv":{"bucket":"usage","key":"n","add":7}}"#,
        r#"{"kv":{"bucket":"usage","key":"in/ada","set":{"since": 3}}}"#,
        r#"{"kv":{"bucket":"usage","key":"bytes","set_base64":"/wA="}}"#,
    ];
    let named = r#", stdin_keys: { usage: [n, bytes, absent, "in/{participant}"] }"#;
    let (world, writer) = world("[usage, other]", named, &lines.join("\n")).await;
    let nothing = json!({"usage": {"n": null, "bytes": null, "absent": null}});
    assert_eq!(found(&world, None, "a").await, nothing, "a key of a participant is no key of an event without one");
    let report = Arc::new(world.run_of(&writer, of(None), "a").await.report);
    assert!(world.uncommitted.add(&report));
    let there = json!({"usage": {
        "n": "7", "bytes": {"base64": "/wA="}, "absent": null, "in/ada": "{\"since\": 3}",
    }});
    assert_eq!(found(&world, Some("ada"), "a").await, there, "the next one of the room sees it at once");
    assert_eq!(found(&world, None, "b").await, nothing, "another room has keys of its own");
    assert_eq!(world.commit(1, report).await, lanes::CommitReply::Done);
    assert_eq!(found(&world, Some("ada"), "a").await, there, "and in the store it is the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_found_what_another_changes_meanwhile_has_run_in_vain() {
    let (allow, named) = ("[{ name: totals, scope: shared }]", ", stdin_keys: { totals: [n] }");
    let (world, writer) = world(allow, named, r#"{"kv":{"bucket":"totals","key":"n","set":1}}"#).await;
    let reader = Arc::new(world.run_of(&world.rig, of(None), "a").await.report);
    assert_eq!(reader.keyvalue.reads.len(), 1, "it is in the report which version it has read");
    let writer = Arc::new(world.run_of(&writer, of(None), "b").await.report);
    assert!(world.uncommitted.add(&writer));
    assert!(!world.uncommitted.add(&reader));
    assert_eq!(world.commit(1, writer).await, lanes::CommitReply::Done);
    let changed = lanes::Conflict { seq: 2, kind: lanes::ConflictKind::Changed };
    assert_eq!(world.commit(2, reader).await, lanes::CommitReply::Refused(vec![changed]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_is_a_failure_in_words_and_a_store_that_fails_is_none_of_the_event() {
    let (allow, named) = ("[{ name: usage, max_key: 8 }]", r#", stdin_keys: { usage: ["in/{participant}"] }"#);
    let (world, _) = world(allow, named, "").await;
    let finished = world.run_of(&world.rig, of(Some("margaret")), "a").await;
    assert_eq!(finished.outcome, Outcome::Permanent);
    let error = finished.report.error.as_deref().unwrap_or_default();
    assert_eq!(error, "a key of 11 bytes, where `max_key` of bucket `usage` is 8");
    world.store.close().await;
    let finished = world.run_of(&world.rig, of(Some("ada")), "a").await;
    assert_eq!((finished.outcome, &*finished.report.outcome), (Outcome::HostFailed, "host_failed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_has_no_document_to_find_keys_in() {
    let engine = Engine::new().unwrap();
    let activator = Activator::new(engine.clone()).unwrap();
    let grants = Arc::new(grants("[usage]", ", stdin_keys: { usage: [n] }"));
    let path = testkit::fixtures::plugin("behave").unwrap();
    let refused = activator.activate(fetched(&path).await, grants, LIMITS).await.err().unwrap().to_string();
    assert!(refused.contains("is a component, which has no stdin: remove `stdin_keys` from the handler"), "{refused}");
}
