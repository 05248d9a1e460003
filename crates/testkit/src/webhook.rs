//! Webhook requests signed as LiveKit signs them, with the keys of the recordings.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use livekit::token::{self, Secret};

use crate::http::{Answer, Http};

/// The API key of the recordings.
pub const KEY: &str = "devkey";

/// Its secret.
pub const SECRET: &str = "secretsecretsecretsecretsecretsecret";

/// A token of now for a body, with the keys of the recordings.
///
/// # Errors
/// When the clock stands before 1970.
pub fn sign(body: &[u8]) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is wrong")?.as_secs();
    let secret = Secret::new(SECRET).context("not a secret")?;
    Ok(token::sign(KEY, &secret, body, now))
}

/// Sends a body to a receiver, signed now.
///
/// # Errors
/// When there is no answer.
pub async fn deliver(http: &Http, url: &str, body: &str) -> Result<Answer> {
    http.webhook(url, &sign(body.as_bytes())?, body.to_owned()).await
}
