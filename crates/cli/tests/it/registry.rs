//! `roomwire plugin push`, `deploy` and what else needs the registry, on a running `up` with its own nats-server.

use serde_json::json;
use testkit::{fixtures, wait_until};

use crate::call::Place;
use crate::up::{SOON, Up};

#[tokio::test(flavor = "multi_thread")]
async fn up_runs_what_is_pushed_and_deployed_while_it_runs() {
    let place = Place::new();
    place.write(
        "roomwire.yaml",
        "handlers:\n  - { name: hello, plugin: greet, on: \"*\", config: { subject: \"hello.{kind}\" }, allow: { publish: \
         [\"hello.>\"] } }\n  - { name: other, plugin: ./other.wasm, on: \"*\" }\n",
    );
    std::fs::copy(fixtures::plugin("event_log").unwrap(), place.path().join("other.wasm")).unwrap();
    let up = Up::start(&place, &[]).await;
    let quiet = tokio::task::block_in_place(|| place.command(&["status"]).env_remove("RUST_LOG").output().unwrap());
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "", "a command whose output says all says no more");
    let verbose =
        tokio::task::block_in_place(|| place.command(&["status", "-v"]).env_remove("RUST_LOG").output().unwrap());
    let words = String::from_utf8(verbose.stderr).unwrap();
    assert!(words.contains("connected to NATS"), "{words}");
    let text = place.call_beside(&["status"]).await;
    assert!(text.code == 0 && text.stdout.contains("greet") && text.stdout.contains("waiting"), "{}", text.stdout);
    let publish = fixtures::plugin("publish").unwrap().display().to_string();
    let pushed = place.call_beside(&["plugin", "push", &publish, "--name", "greet", "--output", "json"]).await;
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let [version] = pushed.json().try_into().unwrap();
    assert_eq!(
        (&version["known"], &version["signed"], &version["contract"]),
        (&json!(false), &json!(false), &json!("component"))
    );
    let digits = version["digest"].as_str().unwrap().get(..8).unwrap().to_owned();
    let plugin = format!("greet@{digits}");
    let deployed = place.call_beside(&["deploy", "hello", "--plugin", &plugin]).await;
    assert_eq!(deployed.code, 0, "{}", deployed.stderr);
    assert!(
        deployed.stdout.contains("serves on 1 runner") && deployed.stderr.contains(": serving"),
        "{}",
        deployed.stderr
    );
    let file = place.call_beside(&["deploy", "other", "--plugin", &plugin]).await;
    assert!(file.code == 64 && file.stderr.contains("runs the file"), "{}", file.stderr);
    let listed = place.call_beside(&["handler", "list", "--output", "json"]).await.json();
    let of = |name: &str| listed.iter().find(|line| line["handler"] == name).cloned().unwrap();
    assert_eq!(of("hello")["plugin"]["serving"], version["digest"]);
    let other = place.call_beside(&["plugin", "check", "other.wasm", "--output", "json"]).await.json();
    assert_eq!(of("other")["plugin"]["serving"], other[0]["digest"]);
    assert_eq!(place.call_beside(&["sim", "send"]).await.code, 0);
    let handled = || async {
        let lines = place.call_beside(&["handler", "list", "--output", "json"]).await.json();
        lines.iter().all(|line| line["dead"] == 0 && line["waiting"] == 0)
    };
    wait_until(SOON, "the event to be handled", handled).await.unwrap();
    up.stop().await;
}

#[test]
fn push_refuses_what_no_runner_would_take_before_it_asks_for_a_registry() {
    let place = Place::new();
    let wrong = fixtures::plugin("wrong-world").unwrap().display().to_string();
    let called = place.call(&["plugin", "push", &wrong]);
    assert!(
        called.code == 1 && called.stderr.contains("it exports `elsewhere:jobs/handler@0.1.0`"),
        "{}",
        called.stderr
    );
    let echo = fixtures::path("guests/echo.wasm");
    std::fs::copy(&echo, place.path().join("Echo.wasm")).unwrap();
    let called = place.call(&["plugin", "push", "Echo.wasm"]);
    assert!(
        called.code == 64 && called.stderr.contains("give the plugin another name with `--name`"),
        "{}",
        called.stderr
    );
    let called = place.call(&["plugin", "push", "Echo.wasm", "--name", "echo", "--signature", "absent"]);
    assert!(called.code == 1 && called.stderr.contains("cannot read the signature absent"), "{}", called.stderr);
    let called = place.call(&["plugin", "push", "Echo.wasm", "--name", "echo"]);
    assert!(called.code == 64 && called.stderr.contains("no NATS server is named"), "{}", called.stderr);
}

#[test]
fn a_plugin_that_is_named_wrongly_is_a_usage_error() {
    for arguments in [
        &["deploy", "hello", "--plugin", "Greet"][..],
        &["deploy", "hello", "--plugin", "greet@sha256:12"],
        &["deploy", "hello"],
        &["deploy", "hello", "--plugin", "greet", "--timeout", "soon"],
        &["rollback"],
        &["plugin", "rm"],
    ] {
        let called = Place::new().call(arguments);
        assert_eq!((called.code, called.stdout.as_str()), (64, ""), "{arguments:?}: {}", called.stderr);
    }
}
