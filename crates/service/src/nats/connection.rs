//! Connects to NATS, keeps the connection, and says when it is lost.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::address::{self, Login};
use crate::config::{NatsSection, TemplateError, defaults, expand, process_env, without_password};

/// A peer that is dead without saying so is given up when the third of these finds two pings unanswered: after 9 s. The
/// client's own default is a minute.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// The longest wait between two attempts to reconnect. The client's own is 4 s, which would outlast a restart of the
/// server by so much that LiveKit's retries run out.
const RECONNECT_CAP: Duration = Duration::from_millis(500);

/// How long one attempt may take, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do when the server cannot be reached at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstConnect {
    /// Report the error.
    Fail,
    /// Go on trying, as after a connection was lost.
    Retry,
}

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There was none yet.
    Connecting,
    /// There is one.
    Connected,
    /// It is lost and being made anew.
    Disconnected,
    /// It was closed for good.
    Closed,
}

/// A client together with the state of its connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The state, as it changes.
    pub state: watch::Receiver<State>,
}

impl Connection {
    /// Waits until there is a connection; `false` when it was closed for good.
    pub async fn connected(&self) -> bool {
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| matches!(state, State::Connected | State::Closed)).await;
        reached.is_ok_and(|state| *state == State::Connected)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `nats.url` needs a variable that is missing, or is malformed.
    #[error("`nats.url` cannot be completed; set the variable or give the address with `--nats`")]
    Template(#[source] TemplateError),
    /// The address is no NATS URL.
    #[error("`{url}` is not a NATS URL; write something like `nats://127.0.0.1:4222`")]
    Address {
        /// The address, without passwords.
        url: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The credentials or the seed cannot be read.
    #[error("cannot read {}, which `nats.{key}` names", path.display())]
    Credentials {
        /// The key in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server could not be reached or refused.
    #[error("cannot connect to NATS at {url}; start a server there, or name another one with `--nats` or `nats.url`")]
    Unreachable {
        /// The address, without passwords.
        url: String,
        /// What happened.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// The names under which Roomwire connects.
pub mod client_name {
    /// The receiver.
    pub const RECEIVER: &str = "roomwire-receiver";
    /// The runner.
    pub const RUNNER: &str = "roomwire-runner";
    /// What sends the messages of handlers.
    pub const EFFECTS: &str = "roomwire-effects";
    /// A command of `roomwire`.
    pub const CLI: &str = "roomwire-cli";
    /// `roomwire up`, beside its receiver and its runner.
    pub const UP: &str = "roomwire-up";
}

/// What the subjects begin with on which a client of this name gets its replies. A user that may read these and no others
/// sees nothing that another one was sent; one that may read `_INBOX.>` reads all.
#[must_use]
pub fn inbox_of(name: &str) -> String {
    format!("_INBOX.{name}")
}

/// Connects under `name`, which NATS shows in its list of connections. A lost connection is made anew for ever.
///
/// # Errors
///
/// When the address or the credentials are wrong; with [`FirstConnect::Fail`] also when the server cannot be reached.
#[must_use]
pub fn connect<'a>(
    section: &'a NatsSection,
    name: &'a str,
    first: FirstConnect,
) -> BoxFuture<'a, Result<Connection, ConnectError>> {
    // In a box, because a bare future is compiled where it is awaited: again in each binary.
    Box::pin(establish(section, name, first))
}

async fn establish(section: &NatsSection, name: &str, first: FirstConnect) -> Result<Connection, ConnectError> {
    let url = section.url.as_deref().unwrap_or(defaults::NATS_URL);
    let url = expand(url, &process_env).map_err(ConnectError::Template)?;
    let shown = without_password(&url);
    let address = address::parse(&url).map_err(|source| ConnectError::Address { url: shown.clone(), source })?;
    let (sender, state) = watch::channel(State::Connecting);
    let events = sender.clone();
    let server = shown.clone();
    let mut options = options(section, address.login)?
        .name(name)
        .custom_inbox_prefix(inbox_of(name))
        .ping_interval(PING_INTERVAL)
        .connection_timeout(CONNECT_TIMEOUT)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            note(&event, &server, &events);
            async {}
        });
    if first == FirstConnect::Retry {
        options = options.retry_on_initial_connect();
    }
    let client = options
        .connect(address.servers)
        .await
        .map_err(|source| ConnectError::Unreachable { url: shown.clone(), source })?;
    if first == FirstConnect::Fail {
        // The event arrives on a task of its own, later than the caller asks.
        set(&sender, State::Connected);
    }
    Ok(Connection { client, state })
}

fn options(section: &NatsSection, login: Login) -> Result<ConnectOptions, ConnectError> {
    let options = ConnectOptions::new();
    if let Some(path) = &section.credentials {
        let refuse = |source| ConnectError::Credentials { key: "credentials", path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(refuse)?;
        return options.credentials(&text).map_err(refuse);
    }
    if let Some(path) = &section.nkey {
        let seed = fs::read_to_string(path).map_err(|source| ConnectError::Credentials {
            key: "nkey",
            path: path.clone(),
            source,
        })?;
        return Ok(options.nkey(seed.trim().to_owned()));
    }
    Ok(match login {
        Login::None => options,
        Login::Token(token) => options.token(token),
        Login::Password { user, password } => options.user_and_password(user, password),
    })
}

/// 0, 10, 20, 40 … ms. The first attempt is at once: most disconnections are restarts that are over already.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(2)).unwrap_or(u32::MAX).min(6);
    if attempts <= 1 { Duration::ZERO } else { Duration::from_millis(10 << doublings).min(RECONNECT_CAP) }
}

/// Logs what happened to the connection and passes its state on. Permission violations and slow consumers are told
/// nowhere else: the request that caused them only times out.
fn note(event: &Event, server: &str, sender: &watch::Sender<State>) {
    match event {
        Event::Connected => {
            tracing::info!(server, "connected to NATS");
            set(sender, State::Connected);
        }
        Event::Disconnected => {
            tracing::warn!(server, "connection to NATS lost; reconnecting");
            set(sender, State::Disconnected);
        }
        Event::Closed => {
            tracing::info!(server, "connection to NATS closed");
            set(sender, State::Closed);
        }
        Event::LameDuckMode => tracing::warn!(server, "NATS is about to stop (lame duck mode)"),
        Event::Draining => tracing::debug!(server, "draining the connection to NATS"),
        Event::SlowConsumer(subscription) => {
            tracing::warn!(server, subscription, "NATS messages were dropped because a subscription is full");
        }
        Event::ServerError(error) => tracing::error!(server, %error, "NATS refused something"),
        // Each failed attempt to reconnect is one of these.
        Event::ClientError(error) => tracing::debug!(server, %error, "NATS client error"),
    }
}

fn set(sender: &watch::Sender<State>, state: State) {
    sender.send_if_modified(|current| std::mem::replace(current, state) != state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnecting_begins_at_once_and_never_waits_longer_than_the_cap() {
        let delays: Vec<u128> = (0..9).map(|attempts| reconnect_delay(attempts).as_millis()).collect();
        assert_eq!(delays, [0, 0, 10, 20, 40, 80, 160, 320, 500]);
        assert_eq!(reconnect_delay(usize::MAX), RECONNECT_CAP);
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_named_with_the_fix_and_without_its_password() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let section = NatsSection { url: Some(format!("nats://me:hush@{free}")), ..NatsSection::default() };
        let error = connect(&section, "test", FirstConnect::Fail).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to NATS at nats://{free}; start a server there, or name another one with `--nats` or \
                 `nats.url`"
            )
        );
    }
}
