//! How a call ends, and what the errors of this crate make of it.

use crate::bindings::roomwire::plugin::event_types::{Failure, Outcome, RetryHint};
use crate::config::ConfigError;
use crate::effects;
use crate::http::HttpError;
use crate::keyvalue::KeysError;
use crate::livekit::ApiError;
use crate::secrets::SecretError;
use crate::webhook::WebhookError;

/// What a handler returns.
pub type Handled = Result<Outcome, Failure>;

impl Outcome {
    /// Settled as done, counted apart.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }
}

impl Failure {
    /// Try again later, by the handler's `retry` policy.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry(RetryHint { reason: why.into(), after_ms: None })
    }

    /// Try again after so many milliseconds.
    pub fn retry_after(why: impl Into<String>, after_ms: u32) -> Self {
        Self::Retry(RetryHint { reason: why.into(), after_ms: Some(after_ms) })
    }

    /// Never try again: a dead letter at once.
    pub fn permanent(why: impl Into<String>) -> Self {
        Self::Permanent(why.into())
    }
}

/// What is not granted, too large or too many will be so the next time, too; the rest may pass.
impl From<effects::Error> for Failure {
    fn from(error: effects::Error) -> Self {
        match error {
            effects::Error::Denied(why) => Self::permanent(why),
            effects::Error::TooLarge => Self::permanent("the message or request is larger than the host takes"),
            effects::Error::QuotaExceeded => Self::permanent("too many effects in one call"),
            effects::Error::Other(why) => Self::retry(why),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::permanent(error.to_string())
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::permanent(error.to_string())
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        if error.is_permanent() { Self::permanent(error.to_string()) } else { Self::retry(error.to_string()) }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        if error.is_permanent() { Self::permanent(error.to_string()) } else { Self::retry(error.to_string()) }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::permanent(error.to_string())
    }
}

impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        Self::permanent(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let permanent = |error: effects::Error| matches!(Failure::from(error), Failure::Permanent(_));
        assert!(permanent(effects::Error::Denied("no".to_owned())));
        assert!(permanent(effects::Error::TooLarge));
        assert!(permanent(effects::Error::QuotaExceeded));
        assert!(!permanent(effects::Error::Other("busy".to_owned())));
    }
}
