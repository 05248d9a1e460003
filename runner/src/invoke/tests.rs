//! What each kind of guest becomes, on the real engine with real components.

mod command_keys;
mod commands;
mod harm;
mod http;
mod keys;
mod livekit;
mod rig;
mod secrets;
mod soak;
mod upstream;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanes::{Crash, Outcome};
use service::config::Origin;

use super::*;
use crate::plugin::activate::{ActivateError, Activator};
use crate::plugin::source::{FetchError, Fetched, Reference, Sources};
use crate::plugin::{CallLimits, Grants};

const LIMITS: CallLimits = CallLimits { memory: 16 << 20, timeout: Duration::from_secs(2) };

fn grants(config: &[(&str, &str)]) -> Arc<Grants> {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    Arc::new(Grants { config, publish: vec!["test.>".to_owned()], max_message: 1 << 20, ..Grants::default() })
}

async fn fetched(path: &Path) -> Fetched {
    Sources::default().fetch(&Reference::File(path.to_owned())).await.unwrap()
}

async fn activate(plugin: &str, config: &[(&str, &str)]) -> (Engine, Result<Generation, ActivateError>) {
    let engine = Engine::new().unwrap();
    let path = testkit::fixtures::plugin(plugin).unwrap();
    let activator = Activator::new(engine.clone()).unwrap();
    let generation = activator.activate(fetched(&path).await, grants(config), LIMITS).await;
    (engine, generation)
}

fn event(room: &str) -> wit::Event {
    wit::Event {
        id: "EV_1".to_owned(),
        kind: "room_started".to_owned(),
        project: "default".to_owned(),
        room: Some(room.to_owned()),
        participant: None,
        created_at: "2026-11-01T00:00:00Z".to_owned(),
        attempt: 1,
        deadline_ms: 300,
        json: r#"{"event":"room_started","id":"EV_1"}"#.to_owned(),
        attributes: vec![
            ("idempotency-key".to_owned(), "default/meter/EV_1".to_owned()),
            ("traceparent".to_owned(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_looping_guest_stops_no_neighbour_even_with_as_many_loops_as_threads() {
    let (engine, generation) = activate("behave", &[("room:loop", "loop")]).await;
    let generation = Arc::new(generation.unwrap());
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let (engine, generation) = (engine.clone(), generation.clone());
            tokio::spawn(
                async move { handle(&engine, &generation, event("loop"), Lease::default(), None).await.outcome },
            )
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(handle(&engine, &generation, event("other"), Lease::default(), None).await.outcome, Outcome::Done);
    }
    for looping in loops {
        assert_eq!(looping.await.unwrap(), Outcome::Crash(Crash::Timeout));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_leave_only_with_success_and_only_to_granted_subjects() {
    let config = [
        ("publish_to", "test.out"),
        ("room:fails", "publish-then-retry"),
        ("room:outside", "publish:other.subject"),
        ("room:own", "publish:$SYS.x"),
        ("room:many", "publish-many:101"),
        ("room:large", "publish-large:2000000"),
    ];
    let (engine, generation) = activate("behave", &config).await;
    let generation = generation.unwrap();
    let effects = async |room: &str| {
        let finished = handle(&engine, &generation, event(room), Lease::default(), None).await;
        (finished.outcome, finished.report.effects.len())
    };
    assert_eq!(effects("good").await, (Outcome::Done, 1));
    assert!(matches!(effects("fails").await, (Outcome::Retry { .. }, 0)));
    for room in ["outside", "own", "many", "large"] {
        assert_eq!(effects(room).await, (Outcome::Permanent, 0), "{room}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_not_granted_is_linked_and_denied() {
    let (engine, generation) = activate("behave", &[("default", "probe"), ("publish_to", "test.out")]).await;
    let finished = handle(&engine, &generation.unwrap(), event("r"), Lease::default(), None).await;
    assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.report.error);
    let effects = &finished.report.effects;
    let text = String::from_utf8_lossy(&effects.first().unwrap().body).into_owned();
    let answers: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(answers.len() >= 4, "{text}");
    for (asked, answer) in answers {
        match answer {
            serde_json::Value::Number(count) => assert_eq!(count.as_u64(), Some(0), "{asked}"),
            answer => assert_ne!(answer, "granted", "{asked}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_with_the_same_plugin_have_one_copy_of_its_code_and_it_goes_with_the_last_of_them() {
    let activator = Activator::new(Engine::new().unwrap()).unwrap();
    let prepared = async |plugin: &str| {
        let path = testkit::fixtures::plugin(plugin).unwrap();
        activator.prepare(fetched(&path).await, grants(&[]), LIMITS).await.unwrap()
    };
    let (one, two, other) = tokio::join!(prepared("behave"), prepared("behave"), prepared("publisher"));
    assert!(Arc::ptr_eq(&one.linked, &two.linked) && !Arc::ptr_eq(&one.linked, &other.linked));
    let gone = Arc::downgrade(&one.linked);
    drop(one);
    assert!(Arc::ptr_eq(&two.linked, &prepared("behave").await.linked));
    drop(two);
    assert_eq!(gone.strong_count(), 0);
    prepared("behave").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_with_the_reason() {
    let refused = async |plugin: &str, config: &[(&str, &str)]| {
        let (_, generation) = activate(plugin, config).await;
        let error = generation.err().unwrap_or_else(|| panic!("{plugin} was taken"));
        service::error::Chain(&error).to_string()
    };
    assert!(refused("check-fails", &[]).await.contains("refused its configuration"));
    assert!(refused("behave", &[("check", "fail:no plan set")]).await.contains("no plan set"));
    assert!(refused("behave", &[("check", "trap")]).await.contains("`check` ended as trap"));
    let world = refused("wrong-world", &[]).await;
    assert!(world.contains("does not fit the world"), "{world}");
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new().unwrap();
    let activator = Activator::new(engine.clone()).unwrap();
    let component = std::fs::read(testkit::fixtures::plugin("behave").unwrap()).unwrap();
    let precompiled = engine.wasm.precompile_component(&component).unwrap();
    for (name, bytes, words) in [
        ("text.wasm", b"(component)".repeat(9), "not a valid wasm component"),
        ("core.wasm", b"\0asm\x01\0\0\0".to_vec(), "core wasm module"),
        ("cut.wasm", component[..component.len() / 2].to_vec(), "not a valid wasm component"),
        ("machine.wasm", precompiled, "precompiled machine code"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = activator.activate(fetched(&path).await, grants(&[]), LIMITS).await.err().unwrap();
        assert!(service::error::Chain(&error).to_string().contains(words), "{name}: {error}");
    }
    let absent = Reference::File(folder.path().join("absent.wasm"));
    assert!(matches!(Sources::default().fetch(&absent).await, Err(FetchError::Read { .. })));
}
