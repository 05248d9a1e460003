//! Programs for WASI 0.1, in the real host: exit codes, effects as lines, config in the environment.

use super::*;

/// A program that was written by hand, with this config and as a deploy activates it.
async fn command(guest: &str, config: &[(&str, &str)]) -> (Engine, Result<Generation, ActivateError>) {
    let engine = Engine::new().unwrap();
    let path = testkit::fixtures::path(&format!("guests/{guest}.wasm"));
    let activator = Activator::new(engine.clone()).unwrap();
    let generation = activator.activate(fetched(&path).await, grants(config), LIMITS).await;
    (engine, generation)
}

async fn ran(guest: &str, config: &[(&str, &str)]) -> Finished {
    let (engine, generation) = command(guest, config).await;
    handle(&engine, &generation.unwrap(), event("r"), Lease::default(), None).await
}

/// As many variables as the code.
async fn exited(code: usize) -> (Outcome, String) {
    let names: Vec<String> = (0..code).map(|at| format!("v{at}")).collect();
    let config: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let finished = ran("exit", &config).await;
    (finished.outcome, finished.report.error.as_deref().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_of_a_program_says_how_the_event_ended() {
    assert_eq!(exited(0).await, (Outcome::Done, String::new()));
    assert_eq!(exited(75).await, (Outcome::Retry { after_ms: None }, "the last words.".to_owned()));
    assert_eq!(exited(65).await, (Outcome::Permanent, "the last words.".to_owned()));
    assert_eq!(exited(1).await, (Outcome::Crash(Crash::Trap), "exited with code 1: the last words.".to_owned()));
    assert_eq!(exited(64).await, (Outcome::Crash(Crash::Trap), "exited with code 64: the last words.".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_writes_to_stdout_is_held_against_its_grants() {
    let said = async |line: &str| {
        let finished = ran("echo", &[("k", line)]).await;
        (
            finished.outcome,
            finished.report.error.as_deref().unwrap_or_default().to_owned(),
            finished.report.effects.len(),
        )
    };
    let granted = r#"{"publish":{"subject":"test.out","data":"hello","headers":{"k":"v"}}}"#;
    assert_eq!(said(granted).await, (Outcome::Done, String::new(), 1));
    let (outcome, error, effects) = said(&format!("{granted}\n{{\"publish\":{{\"subject\":\"other\"}}}}")).await;
    assert_eq!((outcome, effects), (Outcome::Permanent, 0), "what it said before is dropped: {error}");
    assert!(error.contains("add it to the handler's `allow.publish`"), "{error}");
    assert_eq!(said(r#"{"skip":"not mine"}"#).await, (Outcome::Skipped, "not mine".to_owned(), 0));
    let retry = format!("{granted}\n{{\"retry\":{{\"after_ms\":7,\"reason\":\"busy\"}}}}");
    assert_eq!(said(&retry).await, (Outcome::Retry { after_ms: Some(7) }, "busy".to_owned(), 0));
    let sent = r#"{"send":{"method":"POST","url":"https://a.example/hook","body":{"n": 1}}}"#;
    let (outcome, error, _) = said(sent).await;
    assert!(outcome == Outcome::Permanent && error.contains("a.example"), "not granted: {error}");
    let (outcome, error, _) = said(r#"{"kv":{"bucket":"usage","key":"k","add":1}}"#).await;
    assert!(outcome == Outcome::Permanent && error.contains("bucket `usage` is not granted"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_not_json_is_a_crash_that_quotes_it() {
    let finished = ran("echo", &[("k", "hello world")]).await;
    assert_eq!(finished.outcome, Outcome::Crash(Crash::Trap));
    let error = finished.report.error.as_deref().unwrap_or_default();
    assert!(error.starts_with("line 1 of stdout is not JSON") && error.ends_with("`hello world`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_refused_by_the_line_that_says_so_alone() {
    let (_, refused) = command("echo", &[("k", r#"{"refuse":"set `plan`"}"#)]).await;
    let error = refused.err().unwrap().to_string();
    assert!(error.ends_with("refused its configuration: set `plan`"), "{error}");
    for config in [&[("k", "hello")][..], &[("k", r#"{"permanent":"no"}"#)]] {
        assert!(command("echo", config).await.1.is_ok(), "a program that knows of no check is taken: {config:?}");
    }
    let (_, variable) = command("echo", &[("a=b", "")]).await;
    assert!(variable.err().unwrap().to_string().contains("cannot have a variable named \"a=b\""));
}
