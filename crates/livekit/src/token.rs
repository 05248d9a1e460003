//! The token of a webhook: an HS256 JWT with the hash of the body, in the `Authorization` header.

mod claimed;
mod hmac;
mod keys;
mod reencoded;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use event::BodyHash;
use jsonwebtoken::{Algorithm, Header, dangerous, decode_header, encode, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Refusal;
pub(crate) use hmac::install as install_hmac;

pub use claimed::{Unproved, claimed_key, class_of, read};
pub use keys::{EmptySecret, Keys, Secret};

/// How long a token of [`sign`] is valid, as LiveKit has it.
pub const VALID_S: u64 = 300;

/// Proof that a request was signed with a configured key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Name of the key.
    pub api_key: String,
}

/// The claims that count. `iat` and `aud` are ignored on purpose; numbers may be fractions.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    sha256: Option<String>,
}

#[derive(Serialize)]
struct NewClaims<'a> {
    iss: &'a str,
    exp: u64,
    nbf: u64,
    iat: u64,
    sha256: String,
}

/// Checks that `authorization` is a valid token over exactly these bytes, at the time `now_s`.
///
/// HS256 only; `iss` names a configured key; `exp` is required; `exp` and `nbf` have `leeway_s` seconds; `sha256` is
/// strict standard base64, compared in constant time. A `Bearer ` prefix is accepted.
///
/// # Errors
/// The first rule that the request breaks, in the order header, shape, key, signature, times, hash: what is said about
/// times and hash is said about a token whose signature is good.
pub fn verify(
    keys: &Keys,
    authorization: Option<&str>,
    body: &[u8],
    now_s: u64,
    leeway_s: u64,
) -> Result<Verified, Refusal> {
    verify_body(keys, authorization, &Body { bytes: body, sha256: None }, now_s, leeway_s)
}

/// A body, perhaps without some of what was signed.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The bytes that are there.
    pub bytes: &'a [u8],
    /// SHA-256 of the body as it was received, when `bytes` are not all of it (`privacy.drop`).
    pub sha256: Option<BodyHash>,
}

/// As [`verify`], for a body that was changed after its hash was noted.
///
/// # Errors
/// As [`verify`].
pub fn verify_body(
    keys: &Keys,
    authorization: Option<&str>,
    body: &Body<'_>,
    now_s: u64,
    leeway_s: u64,
) -> Result<Verified, Refusal> {
    let token = bare(authorization.unwrap_or_default());
    if token.is_empty() {
        return Err(Refusal::NoHeader);
    }
    let (api_key, claims) = verify_signature(keys, token)?;
    check_times(&claims, now_s, leeway_s)?;
    check_hash(&claims, body)?;
    Ok(Verified { api_key })
}

/// Makes the token for a body as LiveKit does: `iss`, `nbf`, `exp`, `iat` and `sha256`, valid for five minutes.
#[must_use]
pub fn sign(key: &str, secret: &Secret, body: &[u8], now_s: u64) -> String {
    hmac::install();
    let sha256 = STANDARD.encode(Sha256::digest(body));
    let claims = NewClaims { iss: key, exp: now_s.saturating_add(VALID_S), nbf: now_s, iat: now_s, sha256 };
    // HMAC takes a secret of any length and these claims are always JSON, so nothing here can fail; were it otherwise,
    // the empty token would be refused by whoever gets it.
    encode(&Header::new(Algorithm::HS256), &claims, secret.encoding()).unwrap_or_default()
}

fn bare(authorization: &str) -> &str {
    let text = authorization.trim();
    match text.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_start(),
        _ => text,
    }
}

/// The header as LiveKit writes it, `{"alg":"HS256","typ":"JWT"}`: there is nothing in it to be looked at.
const USUAL_HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

fn verify_signature(keys: &Keys, token: &str) -> Result<(String, Claims), Refusal> {
    let not_three = || malformed(&ErrorKind::InvalidToken.into());
    let (signed, signature) = token.rsplit_once('.').ok_or_else(not_three)?;
    if signed.rsplit_once('.').ok_or_else(not_three)?.0 != USUAL_HEADER {
        let header = decode_header(token).map_err(|error| malformed(&error))?;
        if header.alg != Algorithm::HS256 {
            return Err(Refusal::malformed(format!("its algorithm is {:?}, LiveKit signs with HS256", header.alg)));
        }
    }
    // The key is chosen by what the token itself says; the signature then proves all that it says.
    let mut claims: Claims = dangerous::insecure_decode_claims(token).map_err(|error| malformed(&error))?;
    let iss = claims.iss.take().ok_or_else(|| Refusal::malformed("it has no iss, which names the API key"))?;
    let Some(secret) = keys.get(&iss) else {
        let known = keys.names().map(str::to_owned).collect();
        return Err(Refusal::UnknownKey { key: iss.chars().take(80).collect(), known });
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| malformed(&ErrorKind::Base64(error).into()))?;
    if secret.has_signed(signed.as_bytes(), &signature) {
        Ok((iss, claims))
    } else {
        Err(Refusal::BadSignature { key: iss })
    }
}

fn malformed(error: &jsonwebtoken::errors::Error) -> Refusal {
    Refusal::malformed(match error.kind() {
        ErrorKind::InvalidToken => "it is not three parts joined by dots".to_owned(),
        ErrorKind::Base64(source) => format!("a part is not base64url: {source}"),
        ErrorKind::Json(source) => format!("a part is not the JSON of a token: {source}"),
        kind => format!("{kind:?}"),
    })
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double exactly")]
fn check_times(claims: &Claims, now_s: u64, leeway_s: u64) -> Result<(), Refusal> {
    let (now, leeway) = (now_s as f64, leeway_s as f64);
    let Some(exp) = claims.exp else {
        return Err(Refusal::malformed("it has no exp, so it would be valid for ever"));
    };
    if now - exp > leeway {
        return Err(Refusal::Expired { by_s: whole(now - exp), leeway_s });
    }
    match claims.nbf {
        Some(nbf) if nbf - now > leeway => Err(Refusal::NotYetValid { by_s: whole(nbf - now), leeway_s }),
        _ => Ok(()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates; it is for words only")]
fn whole(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

fn check_hash(claims: &Claims, body: &Body<'_>) -> Result<(), Refusal> {
    let Some(claimed) = &claims.sha256 else {
        return Err(Refusal::malformed("it has no sha256 of the body: is it an access token?"));
    };
    // One byte more than fits, so that what is too long is seen.
    let mut hash = [0; 33];
    let Ok(32) = STANDARD.decode_slice(claimed, &mut hash) else {
        return Err(Refusal::malformed("its sha256 is not 32 bytes in standard base64 with padding"));
    };
    let [hash @ .., _] = hash;
    let BodyHash(computed) = body.sha256.unwrap_or_else(|| sha256(body.bytes));
    if bool::from(hash.ct_eq(computed.as_slice())) {
        return Ok(());
    }
    Err(Refusal::HashMismatch {
        claimed: claimed.clone(),
        computed: STANDARD.encode(computed),
        bytes: body.bytes.len(),
        reencoded: reencoded::seems(body.bytes, &hash),
    })
}

/// SHA-256 of a body, as the token of its webhook has it.
#[must_use]
pub fn sha256(body: &[u8]) -> BodyHash {
    BodyHash(Sha256::digest(body).into())
}

#[cfg(test)]
mod tests;
