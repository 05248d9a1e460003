//! Many misbehaving guests in one process: each ends as it must, their neighbour notices nothing, and the process does
//! not grow.
//!
//! The process is a second one of this test's own, because memory is measured by the process. `ROOMWIRE_SOAK` says how
//! many of each kind run.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicUsize;

use futures_util::StreamExt as _;
use serde_json::json;
use testkit::wait_until;
use tokio_util::sync::CancellationToken;

use super::rig::{Rig, client, rooms};
use super::upstream::Upstream;
use super::*;

const SIZE: &str = "ROOMWIRE_SOAK";
const USUAL_SIZE: usize = 300;

/// Guests at one time.
const AT_ONCE: usize = 32;

/// Guests of each kind before memory is measured: pools, caches and the allocator are as large as they will be.
const WARM_UP: usize = 2 * AT_ONCE;

/// How much the process may grow after that, whatever the number of guests: slots of the pool that were not used before,
/// and what the allocator keeps for its threads, which on a busy machine come late. Guests that left 13 KiB each behind
/// would pass this in the usual size.
const MAY_GROW: usize = 64 << 20;

/// Between two events of their neighbour.
const PACE: Duration = Duration::from_millis(5);

/// The time of guests that would never end, which they spend on a processor, of those that wait for ever, of those that
/// are slowly answered, and of those that end by themselves.
const LOOPING: Duration = Duration::from_millis(20);
const SHORT: Duration = Duration::from_millis(100);
const MIDDLE: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_mins(2);

#[test]
fn thousands_of_misbehaving_guests_leave_nothing_behind() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "invoke::tests::soak::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(SIZE, std::env::var(SIZE).unwrap_or_else(|_| USUAL_SIZE.to_string()))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, in a process of its own"]
async fn in_a_process_of_its_own() {
    let size: usize = std::env::var(SIZE).ok().and_then(|size| size.parse().ok()).unwrap_or(USUAL_SIZE);
    let upstream = Upstream::start().await;
    let request = |plan: serde_json::Value, path: &str| {
        let mut plan = plan;
        (plan["url"], plan["then"]) = (json!(upstream.url(path)), json!("retry"));
        format!("request:{plan}")
    };
    let (silent, drip) = (request(json!({"first_byte_ms": 50}), "/silent"), request(json!({}), "/drip"));
    let kinds: [(&str, Duration, &[&str]); 14] = [
        ("loop", LOOPING, &["timeout"]),
        ("call-flood", LOOPING, &["timeout"]),
        ("sleep:600000", SHORT, &["timeout_waiting"]),
        // A machine that is busy may not let the guest say what it makes of it.
        (drip.as_str(), MIDDLE, &["retry", "timeout_waiting", "timeout"]),
        (silent.as_str(), LONG, &["retry"]),
        ("recurse", LONG, &["trap"]),
        ("memory-bomb", LONG, &["out_of_memory"]),
        ("output-flood", LONG, &["host_limit"]),
        ("log-flood", LONG, &["done"]),
        ("handle-leak", LONG, &["host_limit"]),
        ("trap-in-allocator", LONG, &["trap"]),
        ("trap-large:4000000", LONG, &["host_limit"]),
        ("permanent-large:1000000", LONG, &["permanent"]),
        ("exit", LONG, &["trap"]),
    ];
    let grants = Grants { http: Arc::new(client(&[&upstream.url("")])), ..Grants::default() };
    let behave = Rig::behave(rooms(kinds.iter().map(|(behaviour, ..)| *behaviour)), LONG, grants).await;
    let starting = prepared(&testkit::fixtures::plugin("start-loops").unwrap(), LOOPING, &behave).await;
    let growing = prepared(&testkit::fixtures::path("guests/table-growth.wasm"), LONG, &behave).await;
    let run = async |size: usize| {
        for (at, (behaviour, timeout, names)) in kinds.iter().enumerate() {
            let generation = with_timeout(&behave.generation, *timeout);
            many(behaviour, &behave.engine, &generation, &format!("r{at}"), names, size).await;
            println!("{size} of {behaviour}: {} KiB", resident() >> 10);
        }
        many("start-loops", &behave.engine, &starting, "r", &["timeout"], size).await;
        many("table-growth", &behave.engine, &growing, "r", &["out_of_memory"], size).await;
        // Compiling is most of the work here, so there are fewer.
        refused(&behave, size / 10).await;
    };
    let (over, neighbours) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let neighbour = tokio::spawn(neighbour(behave.engine.clone(), over.clone(), neighbours.clone()));
    run(WARM_UP).await;
    let before = resident();
    run(size).await;
    let closed = wait_until(Duration::from_secs(10), "all connections are closed", || async { upstream.open() == 0 });
    closed.await.unwrap();
    let after = resident();
    over.cancel();
    neighbour.await.unwrap();
    let events = neighbours.load(Ordering::Relaxed);
    println!(
        "{size} of each kind: {} KiB before, {} KiB after; the neighbour had {events} events",
        before >> 10,
        after >> 10
    );
    assert!(events > 0);
    assert!(after.saturating_sub(before) < MAY_GROW, "grew from {before} to {after} bytes");
}

/// A plugin of which nothing has run yet.
async fn prepared(path: &Path, timeout: Duration, rig: &Rig) -> Arc<Generation> {
    let activator = Activator::new(rig.engine.clone()).unwrap();
    Arc::new(activator.prepare(fetched(path).await, grants(&[]), CallLimits { timeout, ..LIMITS }).await.unwrap())
}

fn with_timeout(generation: &Generation, timeout: Duration) -> Arc<Generation> {
    Arc::new(Generation {
        linked: generation.linked.clone(),
        digest: generation.digest.clone(),
        grants: generation.grants.clone(),
        limits: CallLimits { timeout, ..generation.limits },
    })
}

async fn many(what: &str, engine: &Engine, generation: &Arc<Generation>, room: &str, names: &[&str], size: usize) {
    let calls = futures_util::stream::iter(0..size).map(|_| {
        let (engine, generation, event) = (engine.clone(), generation.clone(), event(room));
        tokio::spawn(async move { handle(&engine, &generation, event, Lease::default(), None).await.report })
    });
    let mut calls = calls.buffer_unordered(AT_ONCE);
    while let Some(report) = calls.next().await {
        let report = report.unwrap();
        assert!(names.contains(&&*report.outcome), "{what}: {}: {:?}", report.outcome, report.error);
    }
}

/// Files that are no plugins, again and again.
async fn refused(rig: &Rig, size: usize) {
    let folder = tempfile::tempdir().unwrap();
    let component = std::fs::read(testkit::fixtures::plugin("wrong-world").unwrap()).unwrap();
    let precompiled = rig.engine.wasm.precompile_component(&component).unwrap();
    let activator = Activator::new(rig.engine.clone()).unwrap();
    for (name, bytes) in [("text.wasm", b"no wasm".to_vec()), ("other.wasm", component), ("machine.wasm", precompiled)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for _ in 0..size.max(1) {
            assert!(activator.activate(fetched(&path).await, grants(&[]), LIMITS).await.is_err(), "{name}");
        }
    }
}

/// Well-behaved events at a steady pace, all of which must be done.
async fn neighbour(engine: Engine, over: CancellationToken, done: Arc<AtomicUsize>) {
    let path = testkit::fixtures::plugin("behave").unwrap();
    let generation =
        Activator::new(engine.clone()).unwrap().activate(fetched(&path).await, grants(&[]), LIMITS).await.unwrap();
    let mut pace = tokio::time::interval(PACE);
    while !over.is_cancelled() {
        pace.tick().await;
        let finished = handle(&engine, &generation, event("calm"), Lease::default(), None).await;
        assert_eq!(finished.outcome, Outcome::Done, "{:?}", finished.report);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Bytes of memory that the process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}
