//! Bodies of webhooks as LiveKit writes them: partial objects, 64-bit numbers as texts, empty values left out.

mod ids;
mod json;

use std::time::{SystemTime, UNIX_EPOCH};

pub use ids::id;
use json::{Node, int, list, long, object, text};

/// Every event type that LiveKit sends.
pub const KINDS: [&str; 15] = [
    "room_started",
    "room_finished",
    "participant_joined",
    "participant_left",
    "participant_connection_aborted",
    "track_published",
    "track_unpublished",
    "egress_started",
    "egress_updated",
    "egress_ended",
    "ingress_started",
    "ingress_ended",
    "agent_job_pending",
    "agent_job_started",
    "agent_job_ended",
];

/// Who and what the events are about. Keep one for the events that belong together: the ids in it are LiveKit's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Name of the room.
    pub room: String,
    /// Id of the room.
    pub room_sid: String,
    /// Identity of the participant.
    pub identity: String,
    /// Id of the participant.
    pub participant_sid: String,
    /// Id of the track.
    pub track_sid: String,
    /// Id of the egress.
    pub egress_id: String,
    /// Id of the ingress.
    pub ingress_id: String,
    /// Id of the agent's job.
    pub job_id: String,
    /// When it all happens, in Unix milliseconds.
    pub now_ms: u64,
    /// Whether a space stands after every comma: one build of LiveKit writes it, another does not.
    pub spaced: bool,
}

impl Names {
    /// A room and one participant with fresh ids, now.
    #[must_use]
    pub fn new(room: &str, identity: &str) -> Names {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Names {
            room: room.to_owned(),
            room_sid: id("RM_"),
            identity: identity.to_owned(),
            participant_sid: id("PA_"),
            track_sid: id("TR_"),
            egress_id: id("EG_"),
            ingress_id: id("IN_"),
            job_id: id("AJ_"),
            now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            spaced: false,
        }
    }

    /// Another participant (and track) of the same room.
    #[must_use]
    pub fn participant(&self, identity: &str) -> Names {
        let (participant_sid, track_sid) = (id("PA_"), id("TR_"));
        Names { identity: identity.to_owned(), participant_sid, track_sid, ..self.clone() }
    }

    fn seconds(&self) -> u64 {
        self.now_ms / 1000
    }

    fn nanos(&self) -> u64 {
        self.now_ms.saturating_mul(1_000_000)
    }
}

/// The body of one event with a fresh id. A type that LiveKit does not have gets a room, as a new type would.
#[must_use]
pub fn event(kind: &str, names: &Names) -> String {
    let mut fields = vec![("event", text(kind))];
    fields.extend(subject_of(kind, names));
    fields.extend([("id", text(&id("EV_"))), ("createdAt", long(names.seconds()))]);
    if kind == "room_finished" {
        fields.push(("roomEndReason", text("ROOM_END_IDLE_TIMEOUT")));
    }
    object(fields).to_json(names.spaced)
}

/// A whole meeting in one room, in order: it starts, everybody joins and publishes a microphone, everybody leaves, it ends.
#[must_use]
pub fn meeting(room: &str, participants: usize) -> Vec<String> {
    let first = Names::new(room, "");
    let everybody: Vec<Names> = (0..participants).map(|n| first.participant(&format!("user-{n}"))).collect();
    let mut bodies = vec![event("room_started", &first)];
    let both = |names: &Names, kinds: [&str; 2]| kinds.map(|kind| event(kind, names));
    bodies.extend(everybody.iter().flat_map(|names| both(names, ["participant_joined", "track_published"])));
    bodies.extend(everybody.iter().flat_map(|names| both(names, ["track_unpublished", "participant_left"])));
    bodies.push(event("room_finished", &first));
    bodies
}

/// What an event carries besides its name, id and time: which objects, and how much of each, differs by type.
fn subject_of(kind: &str, names: &Names) -> Vec<(&'static str, Node)> {
    match kind {
        "participant_joined" => vec![("room", full_room(names)), ("participant", participant(names, "ACTIVE", ""))],
        "participant_left" => {
            vec![("room", full_room(names)), ("participant", participant(names, "DISCONNECTED", "CLIENT_INITIATED"))]
        }
        "participant_connection_aborted" => {
            vec![("room", full_room(names)), ("participant", participant(names, "DISCONNECTED", "SIGNAL_CLOSE"))]
        }
        "track_published" | "track_unpublished" => vec![
            ("room", room(names)),
            ("participant", object(vec![("sid", text(&names.participant_sid)), ("identity", text(&names.identity))])),
            ("track", track(names)),
        ],
        "egress_started" | "egress_updated" | "egress_ended" => {
            vec![("room", room(names)), ("egressInfo", egress(kind, names))]
        }
        "ingress_started" | "ingress_ended" => {
            vec![("room", object(vec![("name", text(&names.room))])), ("ingressInfo", ingress(kind, names))]
        }
        "agent_job_pending" | "agent_job_started" | "agent_job_ended" => {
            let job = vec![("id", text(&names.job_id)), ("room", full_room(names)), ("agentName", text("helper"))];
            vec![("job", object(job))]
        }
        _ => vec![("room", full_room(names))],
    }
}

fn room(names: &Names) -> Node {
    object(vec![("sid", text(&names.room_sid)), ("name", text(&names.room))])
}

fn full_room(names: &Names) -> Node {
    let codecs = ["audio/opus", "audio/red", "video/VP8", "video/H264"];
    object(vec![
        ("sid", text(&names.room_sid)),
        ("name", text(&names.room)),
        ("emptyTimeout", int(300)),
        ("departureTimeout", int(20)),
        ("creationTime", long(names.seconds())),
        ("creationTimeMs", long(names.now_ms)),
        ("turnPassword", text("simulated")),
        ("enabledCodecs", list(codecs.map(|mime| object(vec![("mime", text(mime))])))),
        ("metadata", text(r#"{"title":"simulated"}"#)),
    ])
}

fn participant(names: &Names, state: &str, disconnect_reason: &str) -> Node {
    let can = ["canSubscribe", "canPublish", "canPublishData"].map(|what| (what, json::yes()));
    object(vec![
        ("sid", text(&names.participant_sid)),
        ("identity", text(&names.identity)),
        ("state", text(state)),
        ("joinedAt", long(names.seconds())),
        ("joinedAtMs", long(names.now_ms)),
        ("name", text(&names.identity)),
        ("version", int(2)),
        ("permission", object(can.to_vec())),
        ("disconnectReason", text(disconnect_reason)),
        ("clientProtocol", int(2)),
    ])
}

fn track(names: &Names) -> Node {
    object(vec![
        ("sid", text(&names.track_sid)),
        ("name", text("mic")),
        ("source", text("MICROPHONE")),
        ("mimeType", text("audio/red")),
        ("mid", text("7")),
        ("stream", text("camera")),
        ("version", object(vec![("unixMicro", long(names.now_ms.saturating_mul(1000)))])),
    ])
}

fn egress(kind: &str, names: &Names) -> Node {
    let status = match kind {
        "egress_updated" => "EGRESS_ACTIVE",
        "egress_ended" => "EGRESS_COMPLETE",
        _ => "", // EGRESS_STARTING is the zero value, which is left out
    };
    let mut fields = vec![
        ("egressId", text(&names.egress_id)),
        ("roomId", text(&names.room_sid)),
        ("roomName", text(&names.room)),
        ("status", text(status)),
        ("startedAt", long(names.nanos())),
    ];
    if kind == "egress_updated" {
        fields.push(("updatedAt", long(names.nanos())));
    }
    if kind == "egress_ended" {
        let file = vec![
            ("filename", text("recordings/1.mp4")),
            ("startedAt", long(names.nanos())),
            ("endedAt", long(names.nanos())),
            ("duration", long(1_234_567_890)),
            ("size", long(987_654_321)),
            ("location", text("s3://bucket/recordings/1.mp4")),
        ];
        fields.extend([("endedAt", long(names.nanos())), ("fileResults", list([object(file)]))]);
    }
    object(fields)
}

fn ingress(kind: &str, names: &Names) -> Node {
    let mut state = vec![("status", text("ENDPOINT_PUBLISHING"))];
    if kind == "ingress_ended" {
        state = vec![
            ("status", text("ENDPOINT_COMPLETE")),
            ("startedAt", long(names.nanos())),
            ("endedAt", long(names.nanos())),
        ];
    }
    object(vec![
        ("ingressId", text(&names.ingress_id)),
        ("name", text("obs")),
        ("streamKey", text("simulated")),
        ("state", object(state)),
    ])
}

#[cfg(test)]
mod tests;
