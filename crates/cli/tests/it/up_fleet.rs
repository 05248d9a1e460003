//! `roomwire up --config-from-nats`: a fleet of one, on one's own machine.

use serde_json::Value;
use testkit::{Process, fixtures, wait_until};

use crate::call::Place;
use crate::up::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_what_is_pushed_to_it_and_refuses_what_it_cannot_run() {
    let place = Place::new();
    let plugin = fixtures::plugin("event_log").unwrap().display().to_string();
    let handler = |name: &str, plugin: &str| format!("handlers: [{{ name: {name}, plugin: {plugin}, on: \"*\" }}]\n");
    place.write("one.yaml", &handler("one", &plugin));
    place.write("two.yaml", &handler("two", &plugin));
    place.write("bad.yaml", &handler("two", "./absent.wasm"));
    let arguments =
        ["up", "--config-from-nats", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", "ready.json"];
    let up = Process::spawn("roomwire", place.command(&arguments)).unwrap();
    // It can be pushed to before it is ready: it waits for that.
    let pushed = || async { place.call_beside(&["config", "push", "one.yaml"]).await.code == 0 };
    wait_until(SOON, "`config push` to find it", pushed).await.unwrap();
    up.wait_file(&place.path().join("ready.json"), SOON).await.unwrap();
    let handlers = async || -> Vec<Value> {
        let listed = place.call_beside(&["handler", "list", "--output", "json"]).await.json();
        let configured = listed.into_iter().filter(|line| line["state"] != "removed");
        configured.map(|line| line["handler"].clone()).collect()
    };
    assert_eq!(handlers().await, ["one"]);
    assert_eq!(place.call_beside(&["sim", "send"]).await.code, 0);

    let other = place.call_beside(&["config", "push", "two.yaml"]).await;
    assert!(other.code == 0 && other.stdout.contains("applied it"), "{}{}", other.stdout, other.stderr);
    assert_eq!(handlers().await, ["two"]);
    let bad = place.call_beside(&["config", "push", "bad.yaml"]).await;
    assert!(bad.code == 1 && bad.stdout.contains("the old configuration is in force again"), "{}", bad.stdout);
    assert_eq!(handlers().await, ["two"]);
    up.sigint().unwrap();
    assert!(up.wait_exit(SOON).await.unwrap().success(), "{}", up.log());

    // A file with handlers of its own leaves open which are meant.
    let both = place.call_beside(&["up", "--config-from-nats", "--config", "one.yaml"]).await;
    assert!(both.code == 64 && both.stderr.contains("the handlers come from NATS"), "{}", both.stderr);
}
