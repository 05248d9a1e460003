// Made by plugins/sdk/generate from webhook.fields; change that.

package webhook

// Webhook: the body of a webhook.
type Webhook struct {
	// The type, e.g. `participant_joined`; new ones may come.
	Event string `json:"event"`
	// The id of the event, the same on every delivery.
	ID string `json:"id"`
	// When LiveKit made it, Unix seconds.
	CreatedAt Long `json:"createdAt"`
	// The room, where the event has one.
	Room *Room `json:"room"`
	// In `participant_*` and `track_*`.
	Participant *Participant `json:"participant"`
	// In `track_*`.
	Track *Track `json:"track"`
	// In `egress_*`.
	EgressInfo *Egress `json:"egressInfo"`
	// In `ingress_*`.
	IngressInfo *Ingress `json:"ingressInfo"`
	// In `agent_job_*`.
	Job *Job `json:"job"`
	// In `room_finished`. `ROOM_END_UNKNOWN` where it is absent; else `ROOM_END_API_DELETE`, `ROOM_END_IDLE_TIMEOUT`,
	// `ROOM_END_SERVER_SHUTDOWN`, `ROOM_END_SUPERSEDED`, `ROOM_END_OPEN_FAILED`, or a name that is newer than this list.
	RoomEndReason Name `json:"roomEndReason"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Webhook) UnmarshalJSON(body []byte) error {
	type plain Webhook
	found := plain{RoomEndReason: "ROOM_END_UNKNOWN"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Webhook(found)
	return nil
}

// Room: a room.
type Room struct {
	// Its id, another one each time a room of this name is opened.
	SID string `json:"sid"`
	// Its name.
	Name string `json:"name"`
	// Seconds for which it stays open though nobody came.
	EmptyTimeout uint32 `json:"emptyTimeout"`
	// Seconds for which it stays open after the last one left.
	DepartureTimeout uint32 `json:"departureTimeout"`
	// 0 where there is no limit.
	MaxParticipants uint32 `json:"maxParticipants"`
	// Unix seconds.
	CreationTime Long `json:"creationTime"`
	// Unix milliseconds.
	CreationTimeMS Long `json:"creationTimeMs"`
	// Whatever the application set.
	Metadata string `json:"metadata"`
	// How many are in it.
	NumParticipants uint32 `json:"numParticipants"`
	// How many of them publish.
	NumPublishers uint32 `json:"numPublishers"`
	// It is being recorded.
	ActiveRecording bool `json:"activeRecording"`
}

// Participant: somebody or something in a room.
type Participant struct {
	// Its id, another one each time it joins.
	SID string `json:"sid"`
	// The name that the application gave it.
	Identity string `json:"identity"`
	// The name to show.
	Name string `json:"name"`
	// How far it is. `JOINING` where it is absent; else `JOINED`, `ACTIVE`, `DISCONNECTED`, or a name that is newer than
	// this list.
	State Name `json:"state"`
	// What it is. `STANDARD` where it is absent; else `INGRESS`, `EGRESS`, `SIP`, `AGENT`, `CONNECTOR`, `BRIDGE`, or a
	// name that is newer than this list.
	Kind Name `json:"kind"`
	// Whatever the application set.
	Metadata string `json:"metadata"`
	// What the application set, by name.
	Attributes map[string]string `json:"attributes"`
	// Unix seconds.
	JoinedAt Long `json:"joinedAt"`
	// Unix milliseconds.
	JoinedAtMS Long `json:"joinedAtMs"`
	// Where it is connected.
	Region string `json:"region"`
	// It can publish at this moment.
	IsPublisher bool `json:"isPublisher"`
	// What it may do.
	Permission *Permission `json:"permission"`
	// What it publishes.
	Tracks []Track `json:"tracks"`
	// In `participant_left`. `UNKNOWN_REASON` where it is absent; else `CLIENT_INITIATED`, `DUPLICATE_IDENTITY`,
	// `SERVER_SHUTDOWN`, `PARTICIPANT_REMOVED`, `ROOM_DELETED`, `STATE_MISMATCH`, `JOIN_FAILURE`, `MIGRATION`,
	// `SIGNAL_CLOSE`, `ROOM_CLOSED`, `USER_UNAVAILABLE`, `USER_REJECTED`, `SIP_TRUNK_FAILURE`, `CONNECTION_TIMEOUT`,
	// `MEDIA_FAILURE`, `AGENT_ERROR`, or a name that is newer than this list.
	DisconnectReason Name `json:"disconnectReason"`
	// The version of the client's protocol.
	ClientProtocol uint32 `json:"clientProtocol"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Participant) UnmarshalJSON(body []byte) error {
	type plain Participant
	found := plain{State: "JOINING", Kind: "STANDARD", DisconnectReason: "UNKNOWN_REASON"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Participant(found)
	return nil
}

// Permission: what a participant may do.
type Permission struct {
	// Receive tracks.
	CanSubscribe bool `json:"canSubscribe"`
	// Publish tracks.
	CanPublish bool `json:"canPublish"`
	// Publish data.
	CanPublishData bool `json:"canPublishData"`
	// Change its own metadata and attributes.
	CanUpdateMetadata bool `json:"canUpdateMetadata"`
	// The others do not see it.
	Hidden bool `json:"hidden"`
}

// Track: a track.
type Track struct {
	// Its id.
	SID string `json:"sid"`
	// What it carries. `AUDIO` where it is absent; else `VIDEO`, `DATA`, or a name that is newer than this list.
	Type Name `json:"type"`
	// Where it comes from. `UNKNOWN` where it is absent; else `CAMERA`, `MICROPHONE`, `SCREEN_SHARE`,
	// `SCREEN_SHARE_AUDIO`, or a name that is newer than this list.
	Source Name `json:"source"`
	// Its name.
	Name string `json:"name"`
	// It is silent.
	Muted bool `json:"muted"`
	// Pixels, of a video.
	Width uint32 `json:"width"`
	// Pixels, of a video.
	Height uint32 `json:"height"`
	// Its codec, e.g. `video/VP8`.
	MimeType string `json:"mimeType"`
	// Its id in the SDP.
	Mid string `json:"mid"`
	// The stream that it belongs to.
	Stream string `json:"stream"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Track) UnmarshalJSON(body []byte) error {
	type plain Track
	found := plain{Type: "AUDIO", Source: "UNKNOWN"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Track(found)
	return nil
}

// Egress: a recording or a stream out of a room.
type Egress struct {
	// Its id.
	EgressID string `json:"egressId"`
	// The sid of its room.
	RoomID string `json:"roomId"`
	// The name of its room.
	RoomName string `json:"roomName"`
	// How far it is. `EGRESS_STARTING` where it is absent; else `EGRESS_ACTIVE`, `EGRESS_ENDING`, `EGRESS_COMPLETE`,
	// `EGRESS_FAILED`, `EGRESS_ABORTED`, `EGRESS_LIMIT_REACHED`, or a name that is newer than this list.
	Status Name `json:"status"`
	// When it started.
	StartedAt Long `json:"startedAt"`
	// When it ended.
	EndedAt Long `json:"endedAt"`
	// When it last changed.
	UpdatedAt Long `json:"updatedAt"`
	// Why it failed.
	Error string `json:"error"`
	// An HTTP status that fits the error.
	ErrorCode uint32 `json:"errorCode"`
	// More about the end.
	Details string `json:"details"`
	// The files that it wrote.
	FileResults []EgressFile `json:"fileResults"`
	// Where its manifest is.
	ManifestLocation string `json:"manifestLocation"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Egress) UnmarshalJSON(body []byte) error {
	type plain Egress
	found := plain{Status: "EGRESS_STARTING"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Egress(found)
	return nil
}

// EgressFile: a file that an egress wrote.
type EgressFile struct {
	// Its name.
	Filename string `json:"filename"`
	// Where it is.
	Location string `json:"location"`
	// Bytes.
	Size Long `json:"size"`
	// Nanoseconds of recording.
	Duration Long `json:"duration"`
	// When it starts.
	StartedAt Long `json:"startedAt"`
	// When it ends.
	EndedAt Long `json:"endedAt"`
}

// Ingress: a stream into a room.
type Ingress struct {
	// Its id.
	IngressID string `json:"ingressId"`
	// Its name.
	Name string `json:"name"`
	// Where the encoder sends to, or what is pulled.
	URL string `json:"url"`
	// How it comes in. `RTMP_INPUT` where it is absent; else `WHIP_INPUT`, `URL_INPUT`, or a name that is newer than this
	// list.
	InputType Name `json:"inputType"`
	// The name of its room.
	RoomName string `json:"roomName"`
	// As whom it joins.
	ParticipantIdentity string `json:"participantIdentity"`
	// The name to show.
	ParticipantName string `json:"participantName"`
	// Whatever the application set.
	ParticipantMetadata string `json:"participantMetadata"`
	// It can be used again.
	Reusable bool `json:"reusable"`
	// How it is.
	State *IngressState `json:"state"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Ingress) UnmarshalJSON(body []byte) error {
	type plain Ingress
	found := plain{InputType: "RTMP_INPUT"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Ingress(found)
	return nil
}

// IngressState: how an ingress is.
type IngressState struct {
	// How far it is. `ENDPOINT_INACTIVE` where it is absent; else `ENDPOINT_BUFFERING`, `ENDPOINT_PUBLISHING`,
	// `ENDPOINT_ERROR`, `ENDPOINT_COMPLETE`, or a name that is newer than this list.
	Status Name `json:"status"`
	// What is wrong with it.
	Error string `json:"error"`
	// The sid of its room.
	RoomID string `json:"roomId"`
	// When it started.
	StartedAt Long `json:"startedAt"`
	// When it ended.
	EndedAt Long `json:"endedAt"`
	// This use of it.
	ResourceID string `json:"resourceId"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *IngressState) UnmarshalJSON(body []byte) error {
	type plain IngressState
	found := plain{Status: "ENDPOINT_INACTIVE"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = IngressState(found)
	return nil
}

// Job: work for an agent.
type Job struct {
	// Its id.
	ID string `json:"id"`
	// The dispatch that it comes from.
	DispatchID string `json:"dispatchId"`
	// What it is about. `JT_ROOM` where it is absent; else `JT_PUBLISHER`, `JT_PARTICIPANT`, or a name that is newer than
	// this list.
	Type Name `json:"type"`
	// The room.
	Room *Room `json:"room"`
	// The participant, if it is about one.
	Participant *Participant `json:"participant"`
	// Whatever the dispatcher set.
	Metadata string `json:"metadata"`
	// Who shall do it.
	AgentName string `json:"agentName"`
}

// UnmarshalJSON gives absent names their meaning.
func (m *Job) UnmarshalJSON(body []byte) error {
	type plain Job
	found := plain{Type: "JT_ROOM"}
	if err := unmarshal(body, &found); err != nil {
		return err
	}
	*m = Job(found)
	return nil
}
