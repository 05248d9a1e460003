// Made by plugins/sdk/generate from webhook.fields; change that.

/** A known name, or one that is newer than this list. */
export type Name<Known extends string> = Known | (string & {});

/** The body of a webhook. */
export interface Webhook {
  /** The type, e.g. `participant_joined`; new ones may come. */
  event: string;
  /** The id of the event, the same on every delivery. */
  id: string;
  /** When LiveKit made it, Unix seconds. */
  createdAt: number;
  /** The room, where the event has one. */
  room?: Room;
  /** In `participant_*` and `track_*`. */
  participant?: Participant;
  /** In `track_*`. */
  track?: Track;
  /** In `egress_*`. */
  egressInfo?: Egress;
  /** In `ingress_*`. */
  ingressInfo?: Ingress;
  /** In `agent_job_*`. */
  job?: Job;
  /** In `room_finished`; `ROOM_END_UNKNOWN` where it is absent. */
  roomEndReason: Name<"ROOM_END_UNKNOWN" | "ROOM_END_API_DELETE" | "ROOM_END_IDLE_TIMEOUT" | "ROOM_END_SERVER_SHUTDOWN" | "ROOM_END_SUPERSEDED" | "ROOM_END_OPEN_FAILED">;
}

/** A room. */
export interface Room {
  /** Its id, another one each time a room of this name is opened. */
  sid: string;
  /** Its name. */
  name: string;
  /** Seconds for which it stays open though nobody came. */
  emptyTimeout: number;
  /** Seconds for which it stays open after the last one left. */
  departureTimeout: number;
  /** 0 where there is no limit. */
  maxParticipants: number;
  /** Unix seconds. */
  creationTime: number;
  /** Unix milliseconds. */
  creationTimeMs: number;
  /** Whatever the application set. */
  metadata: string;
  /** How many are in it. */
  numParticipants: number;
  /** How many of them publish. */
  numPublishers: number;
  /** It is being recorded. */
  activeRecording: boolean;
}

/** Somebody or something in a room. */
export interface Participant {
  /** Its id, another one each time it joins. */
  sid: string;
  /** The name that the application gave it. */
  identity: string;
  /** The name to show. */
  name: string;
  /** How far it is; `JOINING` where it is absent. */
  state: Name<"JOINING" | "JOINED" | "ACTIVE" | "DISCONNECTED">;
  /** What it is; `STANDARD` where it is absent. */
  kind: Name<"STANDARD" | "INGRESS" | "EGRESS" | "SIP" | "AGENT" | "CONNECTOR" | "BRIDGE">;
  /** Whatever the application set. */
  metadata: string;
  /** What the application set, by name. */
  attributes: Record<string, string>;
  /** Unix seconds. */
  joinedAt: number;
  /** Unix milliseconds. */
  joinedAtMs: number;
  /** Where it is connected. */
  region: string;
  /** It can publish at this moment. */
  isPublisher: boolean;
  /** What it may do. */
  permission?: Permission;
  /** What it publishes. */
  tracks: Track[];
  /** In `participant_left`; `UNKNOWN_REASON` where it is absent. */
  disconnectReason: Name<"UNKNOWN_REASON" | "CLIENT_INITIATED" | "DUPLICATE_IDENTITY" | "SERVER_SHUTDOWN" | "PARTICIPANT_REMOVED" | "ROOM_DELETED" | "STATE_MISMATCH" | "JOIN_FAILURE" | "MIGRATION" | "SIGNAL_CLOSE" | "ROOM_CLOSED" | "USER_UNAVAILABLE" | "USER_REJECTED" | "SIP_TRUNK_FAILURE" | "CONNECTION_TIMEOUT" | "MEDIA_FAILURE" | "AGENT_ERROR">;
  /** The version of the client's protocol. */
  clientProtocol: number;
}

/** What a participant may do. */
export interface Permission {
  /** Receive tracks. */
  canSubscribe: boolean;
  /** Publish tracks. */
  canPublish: boolean;
  /** Publish data. */
  canPublishData: boolean;
  /** Change its own metadata and attributes. */
  canUpdateMetadata: boolean;
  /** The others do not see it. */
  hidden: boolean;
}

/** A track. */
export interface Track {
  /** Its id. */
  sid: string;
  /** What it carries; `AUDIO` where it is absent. */
  type: Name<"AUDIO" | "VIDEO" | "DATA">;
  /** Where it comes from; `UNKNOWN` where it is absent. */
  source: Name<"UNKNOWN" | "CAMERA" | "MICROPHONE" | "SCREEN_SHARE" | "SCREEN_SHARE_AUDIO">;
  /** Its name. */
  name: string;
  /** It is silent. */
  muted: boolean;
  /** Pixels, of a video. */
  width: number;
  /** Pixels, of a video. */
  height: number;
  /** Its codec, e.g. `video/VP8`. */
  mimeType: string;
  /** Its id in the SDP. */
  mid: string;
  /** The stream that it belongs to. */
  stream: string;
}

/** A recording or a stream out of a room. */
export interface Egress {
  /** Its id. */
  egressId: string;
  /** The sid of its room. */
  roomId: string;
  /** The name of its room. */
  roomName: string;
  /** How far it is; `EGRESS_STARTING` where it is absent. */
  status: Name<"EGRESS_STARTING" | "EGRESS_ACTIVE" | "EGRESS_ENDING" | "EGRESS_COMPLETE" | "EGRESS_FAILED" | "EGRESS_ABORTED" | "EGRESS_LIMIT_REACHED">;
  /** When it started. */
  startedAt: bigint;
  /** When it ended. */
  endedAt: bigint;
  /** When it last changed. */
  updatedAt: bigint;
  /** Why it failed. */
  error: string;
  /** An HTTP status that fits the error. */
  errorCode: number;
  /** More about the end. */
  details: string;
  /** The files that it wrote. */
  fileResults: EgressFile[];
  /** Where its manifest is. */
  manifestLocation: string;
}

/** A file that an egress wrote. */
export interface EgressFile {
  /** Its name. */
  filename: string;
  /** Where it is. */
  location: string;
  /** Bytes. */
  size: number;
  /** Nanoseconds of recording. */
  duration: bigint;
  /** When it starts. */
  startedAt: bigint;
  /** When it ends. */
  endedAt: bigint;
}

/** A stream into a room. */
export interface Ingress {
  /** Its id. */
  ingressId: string;
  /** Its name. */
  name: string;
  /** Where the encoder sends to, or what is pulled. */
  url: string;
  /** How it comes in; `RTMP_INPUT` where it is absent. */
  inputType: Name<"RTMP_INPUT" | "WHIP_INPUT" | "URL_INPUT">;
  /** The name of its room. */
  roomName: string;
  /** As whom it joins. */
  participantIdentity: string;
  /** The name to show. */
  participantName: string;
  /** Whatever the application set. */
  participantMetadata: string;
  /** It can be used again. */
  reusable: boolean;
  /** How it is. */
  state?: IngressState;
}

/** How an ingress is. */
export interface IngressState {
  /** How far it is; `ENDPOINT_INACTIVE` where it is absent. */
  status: Name<"ENDPOINT_INACTIVE" | "ENDPOINT_BUFFERING" | "ENDPOINT_PUBLISHING" | "ENDPOINT_ERROR" | "ENDPOINT_COMPLETE">;
  /** What is wrong with it. */
  error: string;
  /** The sid of its room. */
  roomId: string;
  /** When it started. */
  startedAt: bigint;
  /** When it ended. */
  endedAt: bigint;
  /** This use of it. */
  resourceId: string;
}

/** Work for an agent. */
export interface Job {
  /** Its id. */
  id: string;
  /** The dispatch that it comes from. */
  dispatchId: string;
  /** What it is about; `JT_ROOM` where it is absent. */
  type: Name<"JT_ROOM" | "JT_PUBLISHER" | "JT_PARTICIPANT">;
  /** The room. */
  room?: Room;
  /** The participant, if it is about one. */
  participant?: Participant;
  /** Whatever the dispatcher set. */
  metadata: string;
  /** Who shall do it. */
  agentName: string;
}

/** What the fields are: a type, the name that an absent one means, or another message. */
export const FIELDS: Record<string, Record<string, string>> = {
  Webhook: { event: "text", id: "text", createdAt: "long", room: "Room", participant: "Participant", track: "Track", egressInfo: "Egress", ingressInfo: "Ingress", job: "Job", roomEndReason: "=ROOM_END_UNKNOWN" },
  Room: { sid: "text", name: "text", emptyTimeout: "int", departureTimeout: "int", maxParticipants: "int", creationTime: "long", creationTimeMs: "long", metadata: "text", numParticipants: "int", numPublishers: "int", activeRecording: "bool" },
  Participant: { sid: "text", identity: "text", name: "text", state: "=JOINING", kind: "=STANDARD", metadata: "text", attributes: "map", joinedAt: "long", joinedAtMs: "long", region: "text", isPublisher: "bool", permission: "Permission", tracks: "[]Track", disconnectReason: "=UNKNOWN_REASON", clientProtocol: "int" },
  Permission: { canSubscribe: "bool", canPublish: "bool", canPublishData: "bool", canUpdateMetadata: "bool", hidden: "bool" },
  Track: { sid: "text", type: "=AUDIO", source: "=UNKNOWN", name: "text", muted: "bool", width: "int", height: "int", mimeType: "text", mid: "text", stream: "text" },
  Egress: { egressId: "text", roomId: "text", roomName: "text", status: "=EGRESS_STARTING", startedAt: "nanos", endedAt: "nanos", updatedAt: "nanos", error: "text", errorCode: "int", details: "text", fileResults: "[]EgressFile", manifestLocation: "text" },
  EgressFile: { filename: "text", location: "text", size: "long", duration: "nanos", startedAt: "nanos", endedAt: "nanos" },
  Ingress: { ingressId: "text", name: "text", url: "text", inputType: "=RTMP_INPUT", roomName: "text", participantIdentity: "text", participantName: "text", participantMetadata: "text", reusable: "bool", state: "IngressState" },
  IngressState: { status: "=ENDPOINT_INACTIVE", error: "text", roomId: "text", startedAt: "nanos", endedAt: "nanos", resourceId: "text" },
  Job: { id: "text", dispatchId: "text", type: "=JT_ROOM", room: "Room", participant: "Participant", metadata: "text", agentName: "text" },
};
