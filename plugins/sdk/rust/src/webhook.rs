//! The body of a webhook, typed and tolerant of what is newer than this crate.

// As `plugins/sdk/generate` makes it.
#[rustfmt::skip]
#[expect(clippy::struct_excessive_bools, reason = "LiveKit's fields")]
mod messages;
mod wire;

pub use messages::{Egress, EgressFile, Ingress, IngressState, Job, Participant, Permission, Room, Track, Webhook};

/// A body that is not what LiveKit documents.
#[derive(Debug)]
pub struct WebhookError(serde_json::Error);

impl std::fmt::Display for WebhookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read the webhook's body: {}", self.0)
    }
}

impl std::error::Error for WebhookError {}

impl Webhook {
    /// Reads a body.
    ///
    /// # Errors
    /// If a known field has another type than LiveKit documents.
    pub fn parse(json: &str) -> Result<Self, WebhookError> {
        serde_json::from_str(json).map_err(WebhookError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_newer_than_this_crate_passes() {
        let json = r#"{"event": "moon_landed", "id": "EV_1", "createdAt": "1795429074", "moon": {"phase": 4},
            "participant": {"identity": "ada", "kind": "ROBOT", "state": 17, "joinedAt": 1795429074, "wings": [1]}}"#;
        let webhook = Webhook::parse(json).unwrap();
        let participant = webhook.participant.unwrap();
        assert_eq!((webhook.event.as_str(), webhook.created_at), ("moon_landed", 1_795_429_074));
        assert_eq!((participant.kind.as_str(), participant.state.as_str()), ("ROBOT", "17"));
        assert_eq!(participant.joined_at, 1_795_429_074);
    }

    #[test]
    fn absent_names_mean_the_first_of_their_list() {
        let webhook = Webhook::parse(r#"{"participant": {}, "track": null}"#).unwrap();
        let participant = webhook.participant.unwrap();
        assert_eq!((participant.kind.as_str(), participant.state.as_str()), ("STANDARD", "JOINING"));
        assert_eq!(webhook.track, None);
    }

    #[test]
    fn a_wrong_type_is_said_with_its_place() {
        let error = Webhook::parse(r#"{"createdAt": "soon"}"#).unwrap_err().to_string();
        assert_eq!(error, "cannot read the webhook's body: \"soon\" is no 64-bit integer at line 1 column 20");
    }

    #[test]
    fn every_recorded_body_can_be_read() {
        for name in [
            "livekit-1.11.0/meeting.jsonl",
            "livekit-1.11.0/two-rooms-and-abort.jsonl",
            "livekit-sender-1.54.0-all-types.jsonl",
        ] {
            let path = format!("{}/../../../crates/testkit/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let request: serde_json::Value = serde_json::from_str(line).unwrap();
                let body = request["body"].as_str().unwrap();
                let webhook = Webhook::parse(body).unwrap();
                let plain: serde_json::Value = serde_json::from_str(body).unwrap();
                assert_eq!(webhook.id, plain["id"]);
                assert_eq!(Some(webhook.created_at.to_string().as_str()), plain["createdAt"].as_str());
                assert_eq!(webhook.participant.is_some(), plain.get("participant").is_some());
            }
        }
    }
}
