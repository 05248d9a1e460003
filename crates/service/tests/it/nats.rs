//! The connection: credentials, checks, loss.

use std::time::Duration;

use service::admin::Health;
use service::config::NatsSection;
use service::nats::{Connection, FirstConnect, ServerError, State, check_server, connect, watch_health};
use testkit::{NatsServer, NatsSettings, wait_until};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

async fn connected(url: String) -> Connection {
    let section = NatsSection { url: Some(url), ..NatsSection::default() };
    connect(&section, "test", FirstConnect::Fail).await.unwrap()
}

#[tokio::test]
async fn user_and_password_of_the_url_are_sent() {
    let extra = "authorization { user: roomwire, password: \"p@ss\" }".to_owned();
    let server = NatsServer::start_with(NatsSettings { extra, ..NatsSettings::default() }).await.unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    let connection = connected(format!("nats://roomwire:p%40ss@{address}")).await;
    assert_eq!(*connection.state.borrow(), State::Connected);
    let wrong = NatsSection { url: Some(format!("nats://roomwire:no@{address}")), ..NatsSection::default() };
    let error = connect(&wrong, "test", FirstConnect::Fail).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot connect to NATS at nats://{address};")), "{error}");
}

#[tokio::test]
async fn readiness_follows_the_connection_over_a_restart_of_the_server() {
    let server = NatsServer::start().await.unwrap();
    let connection = connected(server.url()).await;
    let health = Health::new();
    watch_health(&connection, health.component("nats"), CancellationToken::new());
    wait_until(DEADLINE, "ready", || async { health.is_ready() }).await.unwrap();
    server.kill().unwrap();
    wait_until(DEADLINE, "not ready", || async { !health.is_ready() }).await.unwrap();
    server.restart().await.unwrap();
    wait_until(DEADLINE, "ready again", || async { health.is_ready() }).await.unwrap();
}

#[tokio::test]
async fn a_server_that_comes_later_is_waited_for() {
    let server = NatsServer::start().await.unwrap();
    server.kill().unwrap();
    let section = NatsSection { url: Some(server.url()), ..NatsSection::default() };
    let connection = connect(&section, "test", FirstConnect::Retry).await.unwrap();
    assert_eq!(*connection.state.borrow(), State::Connecting);
    assert!(matches!(check_server(&connection.client, 0).await, Err(ServerError::NotConnected)));
    server.restart().await.unwrap();
    assert!(connection.connected().await);
    check_server(&connection.client, 8 << 20).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_messages_are_too_small_is_refused_with_what_to_set() {
    let settings = NatsSettings { max_payload: "1MB".to_owned(), ..NatsSettings::default() };
    let server = NatsServer::start_with(settings).await.unwrap();
    let connection = connected(server.url()).await;
    let error = check_server(&connection.client, 8 << 20).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "NATS at 127.0.0.1:{} takes messages of at most 1.0 MiB, and 8.0 MiB are needed for `receiver.max_body` and \
             headers; set `max_payload: 8421376` in its configuration, or lower `receiver.max_body`",
            server.port()
        )
    );
}
