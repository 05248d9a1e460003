//! Connecting to NATS by an address that may have user and password in it.

use anyhow::{Context, Result};
use async_nats::{ConnectOptions, ServerAddr};

/// Connects to the server of a `nats` address as ready files have it: `nats://user:password@host:port`, or without user.
///
/// # Errors
/// When the address is none or the server cannot be reached.
pub async fn connect(url: &str) -> Result<async_nats::Client> {
    let address: ServerAddr = url.parse().with_context(|| format!("{url} is not an address of NATS"))?;
    let options = match (address.username(), address.password()) {
        (Some(user), Some(password)) => ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned()),
        _ => ConnectOptions::new(),
    };
    options.connect(address).await.with_context(|| format!("cannot connect to {url}"))
}
