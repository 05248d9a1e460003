//! Why a webhook can never be accepted, with the numbers that tell an operator what to fix.

/// Why a webhook is refused for good: sent again unchanged it would be refused again (times aside).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Authorization` header, or an empty one.
    #[error("no Authorization header: LiveKit sends its token there, check that no proxy removes it")]
    NoHeader,
    /// Not a token as LiveKit makes it.
    #[error("the token is malformed: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// The token names an API key that is not configured.
    #[error(
        "unknown API key {key:?}, known keys are {}: add it to livekit.keys, or set the sender's webhook.api_key to one \
         that is there",
        names(known)
    )]
    UnknownKey {
        /// The key's name, cut after 80 characters.
        key: String,
        /// The names of the configured keys.
        known: Vec<String>,
    },
    /// The signature is not that of the configured secret.
    #[error("bad signature for API key {key:?}: the secret here and the sender's differ")]
    BadSignature {
        /// The key's name.
        key: String,
    },
    /// Past its `exp` and the leeway.
    #[error("the token expired {by_s} s ago, with a leeway of {leeway_s} s: check the clocks of the sender and here")]
    Expired {
        /// Seconds since `exp`.
        by_s: u64,
        /// Seconds that are forgiven.
        leeway_s: u64,
    },
    /// Before its `nbf` and the leeway.
    #[error(
        "the token is valid in {by_s} s only, with a leeway of {leeway_s} s: check the clocks of the sender and here"
    )]
    NotYetValid {
        /// Seconds until `nbf`.
        by_s: u64,
        /// Seconds that are forgiven.
        leeway_s: u64,
    },
    /// The body is not the one that was signed.
    #[error("the token's hash is {claimed}, that of the {bytes} bytes received {computed}: {}", hint(*.reencoded))]
    HashMismatch {
        /// Hash in the token, standard base64.
        claimed: String,
        /// Hash of the body as received.
        computed: String,
        /// Bytes received.
        bytes: usize,
        /// Whether the body looks as if something on the way had parsed and written it anew.
        reencoded: bool,
    },
    /// More bytes than `receiver.max_body`.
    #[error("the body has {}more than {limit} bytes: raise receiver.max_body", announced(*.bytes))]
    BodyTooLarge {
        /// What `Content-Length` said; none when the body was cut while it was read.
        bytes: Option<u64>,
        /// The limit.
        limit: usize,
    },
    /// The body is not a JSON object.
    #[error("the body is not a JSON object: {what}")]
    BadJson {
        /// What the parser says.
        what: String,
    },
    /// No usable `id`.
    #[error("the event's id {what}: LiveKit sends a text of 1 to 512 bytes")]
    NoId {
        /// What is there instead.
        what: String,
    },
    /// No usable `event`.
    #[error("the event's name (field event) {what}: LiveKit sends a text of 1 to 1024 bytes")]
    NoEvent {
        /// What is there instead.
        what: String,
    },
}

impl Refusal {
    /// Every label that [`Refusal::reason`] can give.
    pub const REASONS: [&str; 11] = [
        "no_header",
        "malformed",
        "unknown_key",
        "bad_signature",
        "expired",
        "not_yet_valid",
        "hash_mismatch",
        "body_too_large",
        "bad_json",
        "no_id",
        "no_event",
    ];

    /// The reason as a label for metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NoHeader => "no_header",
            Refusal::Malformed { .. } => "malformed",
            Refusal::UnknownKey { .. } => "unknown_key",
            Refusal::BadSignature { .. } => "bad_signature",
            Refusal::Expired { .. } => "expired",
            Refusal::NotYetValid { .. } => "not_yet_valid",
            Refusal::HashMismatch { .. } => "hash_mismatch",
            Refusal::BodyTooLarge { .. } => "body_too_large",
            Refusal::BadJson { .. } => "bad_json",
            Refusal::NoId { .. } => "no_id",
            Refusal::NoEvent { .. } => "no_event",
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Refusal {
        Refusal::Malformed { what: what.into() }
    }
}

fn hint(reencoded: bool) -> &'static str {
    if reencoded {
        "the body was re-encoded on its way, let no proxy or middleware parse and rewrite it"
    } else {
        "the body was changed on its way, or belongs to another token"
    }
}

/// So many names are enough to see what is wrong.
const SHOWN_NAMES: usize = 8;

fn names(known: &[String]) -> String {
    if known.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<_> = known.iter().take(SHOWN_NAMES).map(String::as_str).collect();
    let more = known.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

fn announced(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("{bytes} bytes, "))
}

#[cfg(test)]
mod tests;
