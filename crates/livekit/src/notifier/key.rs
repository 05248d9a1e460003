//! Which queue LiveKit puts an event into.

use serde::Deserialize;

/// An object that is there, though it may be empty, decides: so LiveKit's sender looks at it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Parts {
    egress_info: Option<Egress>,
    ingress_info: Option<Ingress>,
    room: Option<Room>,
    participant: Option<Participant>,
    track: Option<Track>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Egress {
    egress_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ingress {
    ingress_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Room {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Participant {
    identity: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Track {
    sid: String,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// The key of the event's queue. It is coarser than Roomwire's ordering key: agent jobs all share `default`, as does a
/// body that is no event.
pub(super) fn of(body: &[u8]) -> String {
    let parts: Parts = serde_json::from_slice(body).unwrap_or_default();
    let Parts { egress_info, ingress_info, room, participant, track } = parts;
    let key = egress_info.map(|egress| egress.egress_id);
    let key = key.or(ingress_info.map(|ingress| ingress.ingress_id)).or(room.map(|room| room.name));
    let key = key.or(participant.map(|participant| participant.identity)).or(track.map(|track| track.sid));
    key.unwrap_or_else(|| "default".to_owned())
}

/// The event's id; empty where there is none.
pub(super) fn id(body: &[u8]) -> String {
    serde_json::from_slice::<Id>(body).map(|event| event.id).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_object_that_is_there_decides_even_if_it_is_empty() {
        for (body, key) in [
            (r#"{"egressInfo":{"egressId":"EG_1"},"room":{"name":"r"}}"#, "EG_1"),
            (r#"{"egressInfo":{"roomName":"r"},"room":{"name":"r"}}"#, ""),
            (r#"{"ingressInfo":{"ingressId":"IN_1"},"room":{"name":"r"}}"#, "IN_1"),
            (r#"{"room":{"sid":"RM_1","name":"r"},"participant":{"identity":"p"}}"#, "r"),
            (r#"{"participant":{"identity":"p"},"track":{"sid":"TR_1"}}"#, "p"),
            (r#"{"track":{"sid":"TR_1"}}"#, "TR_1"),
            (r#"{"event":"agent_job_started","job":{"id":"AJ_1","room":{"name":"r"}}}"#, "default"),
            ("{}", "default"),
        ] {
            assert_eq!(of(body.as_bytes()), key, "{body}");
        }
        assert_eq!(of(b"no json"), "default");
    }

    #[test]
    fn a_body_without_an_id_has_an_empty_one() {
        assert_eq!([id(br#"{"id":"EV_1"}"#), id(br#"{"id":1}"#), id(b"x")], ["EV_1", "", ""]);
    }
}
