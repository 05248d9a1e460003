//! Commands that need NATS or a runner, without one.

use testkit::NatsServer;

use crate::call::Place;

#[test]
fn without_a_server_the_ways_to_name_one_are_told() {
    let called = Place::new().call(&["dlq", "list"]);
    assert_eq!(called.code, 64);
    assert_eq!(
        called.stderr,
        "error: no NATS server is named and no `roomwire up` runs on .roomwire; start one, or name a server with `--nats` \
         or `nats.url`\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_runner_the_command_that_starts_one_is_told() {
    let nats = NatsServer::start().await.unwrap();
    let place = Place::new();
    for arguments in [&["dlq", "list"][..], &["dlq", "show", "EV_x"], &["dlq", "redrive", "EV_x"], &["handler", "list"]]
    {
        let url = nats.url();
        let called = place.call_beside(&[&["--nats", url.as_str()], arguments].concat()).await;
        assert_eq!(called.code, 1, "{}", called.stderr);
        assert!(
            called.stderr.ends_with("error: no runner answers on `rw.ctl.runner`; start it with `roomwire up`\n"),
            "{}",
            called.stderr
        );
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let called = Place::new().call(&["--nats", &format!("nats://{free}"), "events", "list"]);
    assert_eq!(called.code, 1);
    assert!(called.stderr.contains(&format!("cannot connect to NATS at nats://{free}; ")), "{}", called.stderr);
}
