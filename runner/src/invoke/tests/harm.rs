//! Guests that do harm: each ends as a named error of its own.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_end_has_its_outcome_and_its_words() {
    let behaviours = [
        ("ok", Outcome::Done, "done", ""),
        ("skip:no need", Outcome::Skipped, "skipped", "no need"),
        ("retry:busy", Outcome::Retry { after_ms: None }, "retry", "busy"),
        ("retry-after:70", Outcome::Retry { after_ms: Some(70) }, "retry", ""),
        ("permanent:bad", Outcome::Permanent, "permanent", "bad"),
        ("trap:boom", Outcome::Crash(Crash::Trap), "trap", "instruction executed: boom"),
        ("recurse", Outcome::Crash(Crash::Trap), "trap", "wasm trap"),
        ("loop", Outcome::Crash(Crash::Timeout), "timeout", "computing"),
        ("memory-bomb", Outcome::Crash(Crash::OutOfMemory), "out_of_memory", "memory"),
        ("output-flood", Outcome::Crash(Crash::HostLimit), "host_limit", "KiB"),
        ("sleep:30000", Outcome::Retry { after_ms: None }, "timeout_waiting", "waiting"),
        ("log-flood", Outcome::Done, "done", ""),
        ("exit", Outcome::Crash(Crash::Trap), "trap", "exit"),
        ("call-flood", Outcome::Crash(Crash::Timeout), "timeout", "computing"),
        ("handle-leak", Outcome::Crash(Crash::HostLimit), "host_limit", "more than 1024"),
        ("trap-in-allocator", Outcome::Crash(Crash::Trap), "trap", "unreachable"),
        ("trap-large:4000000", Outcome::Crash(Crash::HostLimit), "host_limit", "to stderr"),
        ("permanent-large:1000000", Outcome::Permanent, "permanent", "xxxx"),
    ];
    let config: Vec<(String, &str)> =
        behaviours.iter().enumerate().map(|(at, (behaviour, ..))| (format!("room:r{at}"), *behaviour)).collect();
    let config: Vec<(&str, &str)> = config.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let (engine, generation) = activate("behave", &config).await;
    let generation = generation.unwrap();
    for (at, (behaviour, outcome, name, words)) in behaviours.iter().enumerate() {
        let finished = handle(&engine, &generation, event(&format!("r{at}")), Lease::default(), None).await;
        let report = &finished.report;
        assert_eq!((&finished.outcome, &*report.outcome), (outcome, *name), "{behaviour}: {:?}", report.error);
        let error = report.error.as_deref().unwrap_or_default();
        assert!(error.contains(words), "{behaviour}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_recorded_with_backtrace_and_the_end_of_stderr() {
    let (engine, generation) = activate("behave", &[("default", "trap:the reason")]).await;
    let finished = handle(&engine, &generation.unwrap(), event("r"), Lease::default(), None).await;
    assert!(finished.report.stderr.as_deref().unwrap_or_default().contains("the reason"));
    assert!(finished.report.backtrace.as_deref().unwrap_or_default().contains("behave"), "{:?}", finished.report);
    assert!(finished.report.peak_memory > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_taken_from_a_guest_at_once_than_the_host_will_hold() {
    let engine = Engine::new().unwrap();
    let activator = Activator::new(engine.clone()).unwrap();
    let path = testkit::fixtures::plugin("behave").unwrap();
    let limits = CallLimits { memory: 128 << 20, timeout: Duration::from_secs(20) };
    let generation = activator
        .activate(fetched(&path).await, grants(&[("default", "permanent-large:20000000")]), limits)
        .await
        .unwrap();
    let report = handle(&engine, &generation, event("r"), Lease::default(), None).await.report;
    assert_eq!(&*report.outcome, "host_limit", "{:?}", report.error);
    assert!(report.error.as_deref().is_some_and(|error| error.contains("16 MiB to the host")), "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_function_that_loops_and_a_table_that_grows_end_as_theirs() {
    let engine = Engine::new().unwrap();
    let activator = Activator::new(engine.clone()).unwrap();
    let limits = CallLimits { timeout: Duration::from_millis(200), ..LIMITS };
    let path = testkit::fixtures::plugin("start-loops").unwrap();
    let error = activator.activate(fetched(&path).await, grants(&[]), limits).await.err().unwrap().to_string();
    assert!(error.contains("`check` ended as timeout: still computing"), "{error}");
    let path = testkit::fixtures::path("guests/table-growth.wasm");
    let generation = activator.activate(fetched(&path).await, grants(&[]), limits).await.unwrap();
    let report = handle(&engine, &generation, event("r"), Lease::default(), None).await.report;
    assert_eq!(&*report.outcome, "out_of_memory", "{:?}", report.error);
}
