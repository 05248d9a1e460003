//! A server that is killed keeps what it has acknowledged, on the same port.

use std::time::Duration;

use async_nats::jetstream::stream;
use testkit::{NatsServer, stored, wait_until};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_a_restart_on_the_same_port() {
    let server = NatsServer::start().await.unwrap();
    let url = server.url();
    let context = server.jetstream().await.unwrap();
    let config = stream::Config { name: "T_A".to_owned(), subjects: vec!["t.>".to_owned()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    for body in ["one", "two", "three"] {
        context.publish("t.x", body.into()).await.unwrap().await.unwrap();
    }

    server.kill().unwrap();
    assert!(async_nats::connect(&url).await.is_err(), "a killed server answered");
    server.restart().await.unwrap();

    assert_eq!(server.url(), url);
    let bodies: Vec<_> = stored(&url, "T_").await.unwrap().into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_client_finds_the_server_again_after_a_restart() {
    let server = NatsServer::start().await.unwrap();
    let client = server.client().await.unwrap();
    client.flush().await.unwrap();
    server.restart().await.unwrap();
    wait_until(LONG, "the client to be connected again", || async {
        client.connection_state() == async_nats::connection::State::Connected && client.flush().await.is_ok()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn servers_of_different_tests_have_different_ports_and_data() {
    let (one, two) = tokio::join!(NatsServer::start(), NatsServer::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.url(), two.url());
    assert_ne!(one.folder(), two.folder());
}
