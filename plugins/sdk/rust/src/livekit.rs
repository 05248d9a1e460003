//! LiveKit's server API, as far as `allow.livekit` grants it. The host signs: the API secret never enters a handler.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::roomwire::plugin::livekit;

/// Calls a method, such as `RoomService` and `RemoveParticipant`. Request and answer are JSON in protobuf's mapping: a map of
/// `serde_json`, or types with the fields that matter.
///
/// ```ignore
/// let answer: serde_json::Value = livekit::call("RoomService", "ListRooms", &json!({}))?;
/// ```
///
/// # Errors
/// If the call is not granted, LiveKit refuses it or does not answer, or the answer does not fit the type. With `?` what may
/// pass becomes another attempt, and the rest a permanent failure.
pub fn call<Answer: DeserializeOwned>(
    service: &str,
    method: &str,
    request: &(impl Serialize + ?Sized),
) -> Result<Answer, ApiError> {
    let name = || format!("{service}/{method}");
    let request = serde_json::to_string(request)
        .map_err(|error| ApiError::Other(format!("{}: cannot write the request: {error}", name())))?;
    let answer = livekit::call(service, method, &request).map_err(|error| match error {
        livekit::Error::Denied(text) => ApiError::Denied(text),
        livekit::Error::Twirp((code, message)) => ApiError::Refused { method: name(), code, message },
        livekit::Error::Unavailable(text) => ApiError::Unavailable(format!("{}: {text}", name())),
        livekit::Error::Other(text) => ApiError::Other(format!("{}: {text}", name())),
    })?;
    serde_json::from_str(&answer)
        .map_err(|error| ApiError::Other(format!("{}: cannot read the answer: {error}", name())))
}

/// A call of LiveKit's API that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// It is not granted; the text names what is missing.
    Denied(String),
    /// LiveKit refused it.
    Refused {
        /// Service and method.
        method: String,
        /// Twirp's word for why, such as `not_found`.
        code: String,
        /// LiveKit's text.
        message: String,
    },
    /// LiveKit did not answer, or something before it did.
    Unavailable(String),
    /// Anything else, in words.
    Other(String),
}

/// The refusals that may be over soon.
const PASSING: [&str; 6] = ["unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown"];

impl ApiError {
    /// Twirp's word for why LiveKit refused the call, such as `not_found`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        if let Self::Refused { code, .. } = self { Some(code) } else { None }
    }

    /// Whether another attempt would end in the same way.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Denied(_) | Self::Other(_) => true,
            Self::Refused { code, .. } => !PASSING.contains(&code.as_str()),
            Self::Unavailable(_) => false,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Unavailable(text) | Self::Other(text) => f.write_str(text),
            Self::Refused { method, code, message } => write!(f, "{method}: {message} ({code})"),
        }
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_over_soon_is_tried_again() {
        let refused = |code: &str| ApiError::Refused {
            method: "RoomService/DeleteRoom".to_owned(),
            code: code.to_owned(),
            message: "no such room".to_owned(),
        };
        for (error, permanent) in [
            (ApiError::Denied("not granted".to_owned()), true),
            (refused("not_found"), true),
            (refused("unavailable"), false),
            (ApiError::Unavailable("502".to_owned()), false),
            (ApiError::Other("no JSON".to_owned()), true),
        ] {
            assert_eq!(error.is_permanent(), permanent, "{error}");
        }
        assert_eq!(refused("not_found").to_string(), "RoomService/DeleteRoom: no such room (not_found)");
        assert_eq!(refused("not_found").code(), Some("not_found"));
    }
}
