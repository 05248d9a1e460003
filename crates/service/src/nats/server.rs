//! Is the server one that Roomwire can work with?

use async_nats::{Client, ServerInfo};
use bytesize::ByteSize;
use event::header;

/// The oldest server that is supported: the first with all the stream features that are used.
const OLDEST: (i64, i64) = (2, 11);

/// Why the server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It has not answered yet.
    #[error("there is no connection to NATS yet, so its version is unknown")]
    NotConnected,
    /// It is too old.
    #[error("NATS at {server} has version {version}; install 2.11 or newer")]
    TooOld {
        /// Its name or address.
        server: String,
        /// Its version.
        version: String,
    },
    /// It does not store.
    #[error(
        "NATS at {server} has JetStream switched off; start it with `-js`, or write `jetstream {{}}` in its configuration"
    )]
    NoJetStream {
        /// Its name or address.
        server: String,
    },
    /// Its messages are too small.
    #[error(
        "NATS at {server} takes messages of at most {}, and {} are needed for `receiver.max_body` and headers; set \
         `max_payload: {needed}` in its configuration, or lower `receiver.max_body`",
        ByteSize(*allowed as u64).display().iec(), ByteSize(*needed as u64).display().iec()
    )]
    SmallPayload {
        /// Its name or address.
        server: String,
        /// Its `max_payload`.
        allowed: usize,
        /// What is needed.
        needed: usize,
    },
}

/// Checks the version, that JetStream is on, and that a body of `max_body` bytes fits into a message together with its
/// headers.
///
/// # Errors
///
/// Which of these does not hold, with what to change.
pub async fn check_server(client: &Client, max_body: usize) -> Result<(), ServerError> {
    let info = client.try_server_info().ok_or(ServerError::NotConnected)?;
    let server = name(&info);
    if !client.is_server_compatible(OLDEST.0, OLDEST.1, 0) {
        return Err(ServerError::TooOld { server, version: info.version });
    }
    if !info.jetstream {
        return Err(ServerError::NoJetStream { server });
    }
    let needed = max_body.saturating_add(header::ROOM);
    if info.max_payload < needed {
        return Err(ServerError::SmallPayload { server, allowed: info.max_payload, needed });
    }
    Ok(())
}

fn name(info: &ServerInfo) -> String {
    format!("{}:{}", info.host, info.port)
}
