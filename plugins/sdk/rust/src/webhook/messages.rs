//! What a webhook holds, typed. Made by plugins/sdk/generate from webhook.fields; change that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{int64, name};

/// The body of a webhook.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Webhook {
    /// The type, e.g. `participant_joined`; new ones may come.
    pub event: String,
    /// The id of the event, the same on every delivery.
    pub id: String,
    /// When LiveKit made it, Unix seconds.
    #[serde(deserialize_with = "int64")]
    pub created_at: i64,
    /// The room, where the event has one.
    pub room: Option<Room>,
    /// In `participant_*` and `track_*`.
    pub participant: Option<Participant>,
    /// In `track_*`.
    pub track: Option<Track>,
    /// In `egress_*`.
    pub egress_info: Option<Egress>,
    /// In `ingress_*`.
    pub ingress_info: Option<Ingress>,
    /// In `agent_job_*`.
    pub job: Option<Job>,
    /// In `room_finished`. `ROOM_END_UNKNOWN` where it is absent; else `ROOM_END_API_DELETE`, `ROOM_END_IDLE_TIMEOUT`,
    /// `ROOM_END_SERVER_SHUTDOWN`, `ROOM_END_SUPERSEDED`, `ROOM_END_OPEN_FAILED`, or a name that is newer than this
    /// list.
    #[serde(deserialize_with = "name")]
    pub room_end_reason: String,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            event: String::new(),
            id: String::new(),
            created_at: 0,
            room: None,
            participant: None,
            track: None,
            egress_info: None,
            ingress_info: None,
            job: None,
            room_end_reason: "ROOM_END_UNKNOWN".to_owned(),
        }
    }
}

/// A room.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Room {
    /// Its id, another one each time a room of this name is opened.
    pub sid: String,
    /// Its name.
    pub name: String,
    /// Seconds for which it stays open though nobody came.
    pub empty_timeout: u32,
    /// Seconds for which it stays open after the last one left.
    pub departure_timeout: u32,
    /// 0 where there is no limit.
    pub max_participants: u32,
    /// Unix seconds.
    #[serde(deserialize_with = "int64")]
    pub creation_time: i64,
    /// Unix milliseconds.
    #[serde(deserialize_with = "int64")]
    pub creation_time_ms: i64,
    /// Whatever the application set.
    pub metadata: String,
    /// How many are in it.
    pub num_participants: u32,
    /// How many of them publish.
    pub num_publishers: u32,
    /// It is being recorded.
    pub active_recording: bool,
}

/// Somebody or something in a room.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Participant {
    /// Its id, another one each time it joins.
    pub sid: String,
    /// The name that the application gave it.
    pub identity: String,
    /// The name to show.
    pub name: String,
    /// How far it is. `JOINING` where it is absent; else `JOINED`, `ACTIVE`, `DISCONNECTED`, or a name that is newer
    /// than this list.
    #[serde(deserialize_with = "name")]
    pub state: String,
    /// What it is. `STANDARD` where it is absent; else `INGRESS`, `EGRESS`, `SIP`, `AGENT`, `CONNECTOR`, `BRIDGE`, or a
    /// name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub kind: String,
    /// Whatever the application set.
    pub metadata: String,
    /// What the application set, by name.
    pub attributes: BTreeMap<String, String>,
    /// Unix seconds.
    #[serde(deserialize_with = "int64")]
    pub joined_at: i64,
    /// Unix milliseconds.
    #[serde(deserialize_with = "int64")]
    pub joined_at_ms: i64,
    /// Where it is connected.
    pub region: String,
    /// It can publish at this moment.
    pub is_publisher: bool,
    /// What it may do.
    pub permission: Option<Permission>,
    /// What it publishes.
    pub tracks: Vec<Track>,
    /// In `participant_left`. `UNKNOWN_REASON` where it is absent; else `CLIENT_INITIATED`, `DUPLICATE_IDENTITY`,
    /// `SERVER_SHUTDOWN`, `PARTICIPANT_REMOVED`, `ROOM_DELETED`, `STATE_MISMATCH`, `JOIN_FAILURE`, `MIGRATION`,
    /// `SIGNAL_CLOSE`, `ROOM_CLOSED`, `USER_UNAVAILABLE`, `USER_REJECTED`, `SIP_TRUNK_FAILURE`, `CONNECTION_TIMEOUT`,
    /// `MEDIA_FAILURE`, `AGENT_ERROR`, or a name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub disconnect_reason: String,
    /// The version of the client's protocol.
    pub client_protocol: u32,
}

impl Default for Participant {
    fn default() -> Self {
        Self {
            sid: String::new(),
            identity: String::new(),
            name: String::new(),
            state: "JOINING".to_owned(),
            kind: "STANDARD".to_owned(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            joined_at: 0,
            joined_at_ms: 0,
            region: String::new(),
            is_publisher: false,
            permission: None,
            tracks: Vec::new(),
            disconnect_reason: "UNKNOWN_REASON".to_owned(),
            client_protocol: 0,
        }
    }
}

/// What a participant may do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Permission {
    /// Receive tracks.
    pub can_subscribe: bool,
    /// Publish tracks.
    pub can_publish: bool,
    /// Publish data.
    pub can_publish_data: bool,
    /// Change its own metadata and attributes.
    pub can_update_metadata: bool,
    /// The others do not see it.
    pub hidden: bool,
}

/// A track.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Track {
    /// Its id.
    pub sid: String,
    /// What it carries. `AUDIO` where it is absent; else `VIDEO`, `DATA`, or a name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub r#type: String,
    /// Where it comes from. `UNKNOWN` where it is absent; else `CAMERA`, `MICROPHONE`, `SCREEN_SHARE`,
    /// `SCREEN_SHARE_AUDIO`, or a name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub source: String,
    /// Its name.
    pub name: String,
    /// It is silent.
    pub muted: bool,
    /// Pixels, of a video.
    pub width: u32,
    /// Pixels, of a video.
    pub height: u32,
    /// Its codec, e.g. `video/VP8`.
    pub mime_type: String,
    /// Its id in the SDP.
    pub mid: String,
    /// The stream that it belongs to.
    pub stream: String,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            sid: String::new(),
            r#type: "AUDIO".to_owned(),
            source: "UNKNOWN".to_owned(),
            name: String::new(),
            muted: false,
            width: 0,
            height: 0,
            mime_type: String::new(),
            mid: String::new(),
            stream: String::new(),
        }
    }
}

/// A recording or a stream out of a room.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Egress {
    /// Its id.
    pub egress_id: String,
    /// The sid of its room.
    pub room_id: String,
    /// The name of its room.
    pub room_name: String,
    /// How far it is. `EGRESS_STARTING` where it is absent; else `EGRESS_ACTIVE`, `EGRESS_ENDING`, `EGRESS_COMPLETE`,
    /// `EGRESS_FAILED`, `EGRESS_ABORTED`, `EGRESS_LIMIT_REACHED`, or a name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub status: String,
    /// When it started.
    #[serde(deserialize_with = "int64")]
    pub started_at: i64,
    /// When it ended.
    #[serde(deserialize_with = "int64")]
    pub ended_at: i64,
    /// When it last changed.
    #[serde(deserialize_with = "int64")]
    pub updated_at: i64,
    /// Why it failed.
    pub error: String,
    /// An HTTP status that fits the error.
    pub error_code: u32,
    /// More about the end.
    pub details: String,
    /// The files that it wrote.
    pub file_results: Vec<EgressFile>,
    /// Where its manifest is.
    pub manifest_location: String,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            egress_id: String::new(),
            room_id: String::new(),
            room_name: String::new(),
            status: "EGRESS_STARTING".to_owned(),
            started_at: 0,
            ended_at: 0,
            updated_at: 0,
            error: String::new(),
            error_code: 0,
            details: String::new(),
            file_results: Vec::new(),
            manifest_location: String::new(),
        }
    }
}

/// A file that an egress wrote.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct EgressFile {
    /// Its name.
    pub filename: String,
    /// Where it is.
    pub location: String,
    /// Bytes.
    #[serde(deserialize_with = "int64")]
    pub size: i64,
    /// Nanoseconds of recording.
    #[serde(deserialize_with = "int64")]
    pub duration: i64,
    /// When it starts.
    #[serde(deserialize_with = "int64")]
    pub started_at: i64,
    /// When it ends.
    #[serde(deserialize_with = "int64")]
    pub ended_at: i64,
}

/// A stream into a room.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Ingress {
    /// Its id.
    pub ingress_id: String,
    /// Its name.
    pub name: String,
    /// Where the encoder sends to, or what is pulled.
    pub url: String,
    /// How it comes in. `RTMP_INPUT` where it is absent; else `WHIP_INPUT`, `URL_INPUT`, or a name that is newer than
    /// this list.
    #[serde(deserialize_with = "name")]
    pub input_type: String,
    /// The name of its room.
    pub room_name: String,
    /// As whom it joins.
    pub participant_identity: String,
    /// The name to show.
    pub participant_name: String,
    /// Whatever the application set.
    pub participant_metadata: String,
    /// It can be used again.
    pub reusable: bool,
    /// How it is.
    pub state: Option<IngressState>,
}

impl Default for Ingress {
    fn default() -> Self {
        Self {
            ingress_id: String::new(),
            name: String::new(),
            url: String::new(),
            input_type: "RTMP_INPUT".to_owned(),
            room_name: String::new(),
            participant_identity: String::new(),
            participant_name: String::new(),
            participant_metadata: String::new(),
            reusable: false,
            state: None,
        }
    }
}

/// How an ingress is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct IngressState {
    /// How far it is. `ENDPOINT_INACTIVE` where it is absent; else `ENDPOINT_BUFFERING`, `ENDPOINT_PUBLISHING`,
    /// `ENDPOINT_ERROR`, `ENDPOINT_COMPLETE`, or a name that is newer than this list.
    #[serde(deserialize_with = "name")]
    pub status: String,
    /// What is wrong with it.
    pub error: String,
    /// The sid of its room.
    pub room_id: String,
    /// When it started.
    #[serde(deserialize_with = "int64")]
    pub started_at: i64,
    /// When it ended.
    #[serde(deserialize_with = "int64")]
    pub ended_at: i64,
    /// This use of it.
    pub resource_id: String,
}

impl Default for IngressState {
    fn default() -> Self {
        Self {
            status: "ENDPOINT_INACTIVE".to_owned(),
            error: String::new(),
            room_id: String::new(),
            started_at: 0,
            ended_at: 0,
            resource_id: String::new(),
        }
    }
}

/// Work for an agent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The dispatch that it comes from.
    pub dispatch_id: String,
    /// What it is about. `JT_ROOM` where it is absent; else `JT_PUBLISHER`, `JT_PARTICIPANT`, or a name that is newer
    /// than this list.
    #[serde(deserialize_with = "name")]
    pub r#type: String,
    /// The room.
    pub room: Option<Room>,
    /// The participant, if it is about one.
    pub participant: Option<Participant>,
    /// Whatever the dispatcher set.
    pub metadata: String,
    /// Who shall do it.
    pub agent_name: String,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            id: String::new(),
            dispatch_id: String::new(),
            r#type: "JT_ROOM".to_owned(),
            room: None,
            participant: None,
            metadata: String::new(),
            agent_name: String::new(),
        }
    }
}
