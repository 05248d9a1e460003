"""What a webhook holds, typed. Made by plugins/sdk/generate from webhook.fields; change that."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Webhook:
    """The body of a webhook."""

    # The type, e.g. `participant_joined`; new ones may come.
    event: str = ""
    # The id of the event, the same on every delivery.
    id: str = ""
    # When LiveKit made it, Unix seconds.
    created_at: int = 0
    # The room, where the event has one.
    room: Room | None = None
    # In `participant_*` and `track_*`.
    participant: Participant | None = None
    # In `track_*`.
    track: Track | None = None
    # In `egress_*`.
    egress_info: Egress | None = None
    # In `ingress_*`.
    ingress_info: Ingress | None = None
    # In `agent_job_*`.
    job: Job | None = None
    # In `room_finished`. `ROOM_END_UNKNOWN` where it is absent; else `ROOM_END_API_DELETE`,
    # `ROOM_END_IDLE_TIMEOUT`, `ROOM_END_SERVER_SHUTDOWN`, `ROOM_END_SUPERSEDED`, `ROOM_END_OPEN_FAILED`, or a
    # name that is newer than this list.
    room_end_reason: str = "ROOM_END_UNKNOWN"


@dataclass
class Room:
    """A room."""

    # Its id, another one each time a room of this name is opened.
    sid: str = ""
    # Its name.
    name: str = ""
    # Seconds for which it stays open though nobody came.
    empty_timeout: int = 0
    # Seconds for which it stays open after the last one left.
    departure_timeout: int = 0
    # 0 where there is no limit.
    max_participants: int = 0
    # Unix seconds.
    creation_time: int = 0
    # Unix milliseconds.
    creation_time_ms: int = 0
    # Whatever the application set.
    metadata: str = ""
    # How many are in it.
    num_participants: int = 0
    # How many of them publish.
    num_publishers: int = 0
    # It is being recorded.
    active_recording: bool = False


@dataclass
class Participant:
    """Somebody or something in a room."""

    # Its id, another one each time it joins.
    sid: str = ""
    # The name that the application gave it.
    identity: str = ""
    # The name to show.
    name: str = ""
    # How far it is. `JOINING` where it is absent; else `JOINED`, `ACTIVE`, `DISCONNECTED`, or a name that is
    # newer than this list.
    state: str = "JOINING"
    # What it is. `STANDARD` where it is absent; else `INGRESS`, `EGRESS`, `SIP`, `AGENT`, `CONNECTOR`,
    # `BRIDGE`, or a name that is newer than this list.
    kind: str = "STANDARD"
    # Whatever the application set.
    metadata: str = ""
    # What the application set, by name.
    attributes: dict[str, str] = field(default_factory=dict)
    # Unix seconds.
    joined_at: int = 0
    # Unix milliseconds.
    joined_at_ms: int = 0
    # Where it is connected.
    region: str = ""
    # It can publish at this moment.
    is_publisher: bool = False
    # What it may do.
    permission: Permission | None = None
    # What it publishes.
    tracks: list[Track] = field(default_factory=list)
    # In `participant_left`. `UNKNOWN_REASON` where it is absent; else `CLIENT_INITIATED`,
    # `DUPLICATE_IDENTITY`, `SERVER_SHUTDOWN`, `PARTICIPANT_REMOVED`, `ROOM_DELETED`, `STATE_MISMATCH`,
    # `JOIN_FAILURE`, `MIGRATION`, `SIGNAL_CLOSE`, `ROOM_CLOSED`, `USER_UNAVAILABLE`, `USER_REJECTED`,
    # `SIP_TRUNK_FAILURE`, `CONNECTION_TIMEOUT`, `MEDIA_FAILURE`, `AGENT_ERROR`, or a name that is newer than
    # this list.
    disconnect_reason: str = "UNKNOWN_REASON"
    # The version of the client's protocol.
    client_protocol: int = 0


@dataclass
class Permission:
    """What a participant may do."""

    # Receive tracks.
    can_subscribe: bool = False
    # Publish tracks.
    can_publish: bool = False
    # Publish data.
    can_publish_data: bool = False
    # Change its own metadata and attributes.
    can_update_metadata: bool = False
    # The others do not see it.
    hidden: bool = False


@dataclass
class Track:
    """A track."""

    # Its id.
    sid: str = ""
    # What it carries. `AUDIO` where it is absent; else `VIDEO`, `DATA`, or a name that is newer than this
    # list.
    type: str = "AUDIO"
    # Where it comes from. `UNKNOWN` where it is absent; else `CAMERA`, `MICROPHONE`, `SCREEN_SHARE`,
    # `SCREEN_SHARE_AUDIO`, or a name that is newer than this list.
    source: str = "UNKNOWN"
    # Its name.
    name: str = ""
    # It is silent.
    muted: bool = False
    # Pixels, of a video.
    width: int = 0
    # Pixels, of a video.
    height: int = 0
    # Its codec, e.g. `video/VP8`.
    mime_type: str = ""
    # Its id in the SDP.
    mid: str = ""
    # The stream that it belongs to.
    stream: str = ""


@dataclass
class Egress:
    """A recording or a stream out of a room."""

    # Its id.
    egress_id: str = ""
    # The sid of its room.
    room_id: str = ""
    # The name of its room.
    room_name: str = ""
    # How far it is. `EGRESS_STARTING` where it is absent; else `EGRESS_ACTIVE`, `EGRESS_ENDING`,
    # `EGRESS_COMPLETE`, `EGRESS_FAILED`, `EGRESS_ABORTED`, `EGRESS_LIMIT_REACHED`, or a name that is newer
    # than this list.
    status: str = "EGRESS_STARTING"
    # When it started.
    started_at: int = 0
    # When it ended.
    ended_at: int = 0
    # When it last changed.
    updated_at: int = 0
    # Why it failed.
    error: str = ""
    # An HTTP status that fits the error.
    error_code: int = 0
    # More about the end.
    details: str = ""
    # The files that it wrote.
    file_results: list[EgressFile] = field(default_factory=list)
    # Where its manifest is.
    manifest_location: str = ""


@dataclass
class EgressFile:
    """A file that an egress wrote."""

    # Its name.
    filename: str = ""
    # Where it is.
    location: str = ""
    # Bytes.
    size: int = 0
    # Nanoseconds of recording.
    duration: int = 0
    # When it starts.
    started_at: int = 0
    # When it ends.
    ended_at: int = 0


@dataclass
class Ingress:
    """A stream into a room."""

    # Its id.
    ingress_id: str = ""
    # Its name.
    name: str = ""
    # Where the encoder sends to, or what is pulled.
    url: str = ""
    # How it comes in. `RTMP_INPUT` where it is absent; else `WHIP_INPUT`, `URL_INPUT`, or a name that is
    # newer than this list.
    input_type: str = "RTMP_INPUT"
    # The name of its room.
    room_name: str = ""
    # As whom it joins.
    participant_identity: str = ""
    # The name to show.
    participant_name: str = ""
    # Whatever the application set.
    participant_metadata: str = ""
    # It can be used again.
    reusable: bool = False
    # How it is.
    state: IngressState | None = None


@dataclass
class IngressState:
    """How an ingress is."""

    # How far it is. `ENDPOINT_INACTIVE` where it is absent; else `ENDPOINT_BUFFERING`, `ENDPOINT_PUBLISHING`,
    # `ENDPOINT_ERROR`, `ENDPOINT_COMPLETE`, or a name that is newer than this list.
    status: str = "ENDPOINT_INACTIVE"
    # What is wrong with it.
    error: str = ""
    # The sid of its room.
    room_id: str = ""
    # When it started.
    started_at: int = 0
    # When it ended.
    ended_at: int = 0
    # This use of it.
    resource_id: str = ""


@dataclass
class Job:
    """Work for an agent."""

    # Its id.
    id: str = ""
    # The dispatch that it comes from.
    dispatch_id: str = ""
    # What it is about. `JT_ROOM` where it is absent; else `JT_PUBLISHER`, `JT_PARTICIPANT`, or a name that is
    # newer than this list.
    type: str = "JT_ROOM"
    # The room.
    room: Room | None = None
    # The participant, if it is about one.
    participant: Participant | None = None
    # Whatever the dispatcher set.
    metadata: str = ""
    # Who shall do it.
    agent_name: str = ""


#: What the fields of the JSON are: the attribute, and a type, an enum or another message.
FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "Webhook": {
        "event": ("event", "text"),
        "id": ("id", "text"),
        "createdAt": ("created_at", "long"),
        "room": ("room", "Room"),
        "participant": ("participant", "Participant"),
        "track": ("track", "Track"),
        "egressInfo": ("egress_info", "Egress"),
        "ingressInfo": ("ingress_info", "Ingress"),
        "job": ("job", "Job"),
        "roomEndReason": ("room_end_reason", "enum"),
    },
    "Room": {
        "sid": ("sid", "text"),
        "name": ("name", "text"),
        "emptyTimeout": ("empty_timeout", "int"),
        "departureTimeout": ("departure_timeout", "int"),
        "maxParticipants": ("max_participants", "int"),
        "creationTime": ("creation_time", "long"),
        "creationTimeMs": ("creation_time_ms", "long"),
        "metadata": ("metadata", "text"),
        "numParticipants": ("num_participants", "int"),
        "numPublishers": ("num_publishers", "int"),
        "activeRecording": ("active_recording", "bool"),
    },
    "Participant": {
        "sid": ("sid", "text"),
        "identity": ("identity", "text"),
        "name": ("name", "text"),
        "state": ("state", "enum"),
        "kind": ("kind", "enum"),
        "metadata": ("metadata", "text"),
        "attributes": ("attributes", "map"),
        "joinedAt": ("joined_at", "long"),
        "joinedAtMs": ("joined_at_ms", "long"),
        "region": ("region", "text"),
        "isPublisher": ("is_publisher", "bool"),
        "permission": ("permission", "Permission"),
        "tracks": ("tracks", "[]Track"),
        "disconnectReason": ("disconnect_reason", "enum"),
        "clientProtocol": ("client_protocol", "int"),
    },
    "Permission": {
        "canSubscribe": ("can_subscribe", "bool"),
        "canPublish": ("can_publish", "bool"),
        "canPublishData": ("can_publish_data", "bool"),
        "canUpdateMetadata": ("can_update_metadata", "bool"),
        "hidden": ("hidden", "bool"),
    },
    "Track": {
        "sid": ("sid", "text"),
        "type": ("type", "enum"),
        "source": ("source", "enum"),
        "name": ("name", "text"),
        "muted": ("muted", "bool"),
        "width": ("width", "int"),
        "height": ("height", "int"),
        "mimeType": ("mime_type", "text"),
        "mid": ("mid", "text"),
        "stream": ("stream", "text"),
    },
    "Egress": {
        "egressId": ("egress_id", "text"),
        "roomId": ("room_id", "text"),
        "roomName": ("room_name", "text"),
        "status": ("status", "enum"),
        "startedAt": ("started_at", "nanos"),
        "endedAt": ("ended_at", "nanos"),
        "updatedAt": ("updated_at", "nanos"),
        "error": ("error", "text"),
        "errorCode": ("error_code", "int"),
        "details": ("details", "text"),
        "fileResults": ("file_results", "[]EgressFile"),
        "manifestLocation": ("manifest_location", "text"),
    },
    "EgressFile": {
        "filename": ("filename", "text"),
        "location": ("location", "text"),
        "size": ("size", "long"),
        "duration": ("duration", "nanos"),
        "startedAt": ("started_at", "nanos"),
        "endedAt": ("ended_at", "nanos"),
    },
    "Ingress": {
        "ingressId": ("ingress_id", "text"),
        "name": ("name", "text"),
        "url": ("url", "text"),
        "inputType": ("input_type", "enum"),
        "roomName": ("room_name", "text"),
        "participantIdentity": ("participant_identity", "text"),
        "participantName": ("participant_name", "text"),
        "participantMetadata": ("participant_metadata", "text"),
        "reusable": ("reusable", "bool"),
        "state": ("state", "IngressState"),
    },
    "IngressState": {
        "status": ("status", "enum"),
        "error": ("error", "text"),
        "roomId": ("room_id", "text"),
        "startedAt": ("started_at", "nanos"),
        "endedAt": ("ended_at", "nanos"),
        "resourceId": ("resource_id", "text"),
    },
    "Job": {
        "id": ("id", "text"),
        "dispatchId": ("dispatch_id", "text"),
        "type": ("type", "enum"),
        "room": ("room", "Room"),
        "participant": ("participant", "Participant"),
        "metadata": ("metadata", "text"),
        "agentName": ("agent_name", "text"),
    },
}
