//! `roomwire plugin dev` beside a running `up`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::{Process, wait_until};

use super::guest;
use crate::call::Place;
use crate::up::{SOON, Up};

/// A handler whose source is the path of its plugin.
fn handler(place: &Place) {
    fs::create_dir(place.path().join("mine")).unwrap();
    place.write("mine/build", "#!/bin/sh\ncd \"$(dirname \"$0\")\" && cp \"$(cat source)\" mine.wasm\n");
    fs::set_permissions(place.path().join("mine/build"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(guest("exit"), place.path().join("live.wasm")).unwrap();
    let publish = r#"{"skip":"not mine"}"#;
    let handler = format!("name: mine, plugin: ./live.wasm, on: [room_started], config: {{ k: '{publish}' }}");
    place.write("roomwire.yaml", &format!("handlers:\n  - {{ {handler} }}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_its_check_goes_live_what_does_not_is_told_and_live_events_are_tried_with_effects_off() {
    let place = Place::new();
    handler(&place);
    place.write("mine/source", &guest("echo"));
    let up = Up::start(&place, &[]).await;
    let arguments = ["plugin", "dev", "mine", "--handler", "mine", "--tail", up.text("nats")];
    let dev = Process::spawn("dev", place.command(&arguments)).unwrap();
    dev.wait_log("built    mine/mine.wasm", SOON).await.unwrap();
    let live = || fs::read(place.path().join("live.wasm")).unwrap();
    assert_eq!(live(), fs::read(guest("echo")).unwrap());
    let digest = sha256(&place);
    up.process.wait_log(&digest, SOON).await.unwrap();
    place.write("mine/source", "/nowhere/at/all.wasm");
    dev.wait_log("failed   ", SOON).await.unwrap();
    assert_eq!(live(), fs::read(guest("echo")).unwrap(), "the last good one stays");
    let sent = place.call_beside(&["sim", "send", "--type", "room_started", "--room", "r1"]).await;
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let tried = || async { dev.log().contains("skipped in ") && dev.log().contains("not mine") };
    let tried = wait_until(SOON, "the event is tried", tried).await;
    assert!(tried.is_ok(), "{}", dev.log());
    dev.sigint().unwrap();
    let status = dev.wait_exit(SOON).await.unwrap();
    assert!(status.success(), "{status}: {}", dev.log());
    up.stop().await;
}

/// The digest of what is live, as logs have it.
fn sha256(place: &Place) -> String {
    let checked = place.call(&["plugin", "check", "live.wasm", "--output", "json"]);
    checked.json()[0]["digest"].as_str().unwrap().to_owned()
}
