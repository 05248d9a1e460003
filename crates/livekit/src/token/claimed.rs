//! What a token says and how much of it is proved: for a request that is refused, and for the operator who looks at it.

use event::quarantine::Class;
use jsonwebtoken::dangerous;
use serde_json::Value;

use super::{Body, Keys, bare, check_hash, hmac, verify_signature};

/// A token taken apart. Nothing in it is proved; the signature is left out, so that it cannot be used again.
#[derive(Debug, Clone, PartialEq)]
pub struct Unproved {
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
}

/// Reads a token without believing it; none when it cannot be read.
#[must_use]
pub fn read(authorization: &str) -> Option<Unproved> {
    hmac::install();
    let token = bare(authorization);
    let header = jsonwebtoken::decode_header(token).ok().and_then(|header| serde_json::to_value(header).ok())?;
    Some(Unproved { header, claims: dangerous::insecure_decode_claims(token).ok()? })
}

/// The API key that a token says it was signed with, cut after 80 characters.
#[must_use]
pub fn claimed_key(authorization: &str) -> Option<String> {
    read(authorization)?.claims.get("iss")?.as_str().map(|iss| iss.chars().take(80).collect())
}

/// How much is proved about a request, whatever it was refused for.
///
/// Names of keys are no secret, and every participant of a meeting has tokens that are signed with the same key: only
/// who has signed this very body counts as its sender. No body (it was too large to be read) proves nothing.
#[must_use]
pub fn class_of(keys: &Keys, authorization: Option<&str>, body: Option<&Body<'_>>) -> Class {
    let token = bare(authorization.unwrap_or_default());
    if let (Some(body), Ok((_, claims))) = (body, verify_signature(keys, token))
        && check_hash(&claims, body).is_ok()
    {
        return Class::Signed;
    }
    match claimed_key(token) {
        Some(name) if keys.get(&name).is_some() => Class::Named,
        _ => Class::Unknown,
    }
}
