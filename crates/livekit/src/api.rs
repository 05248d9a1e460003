//! LiveKit's server API, Twirp over HTTP with JSON: its methods, and the token that each of them needs.

#[cfg(test)]
mod tests;

use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;
use serde_json::Value;

use crate::token::{Secret, install_hmac};

/// How long the token of a call is valid. A call is made at once; what is left is for clocks that differ.
const VALID_S: u64 = 60;

/// What a token must grant for a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    RoomCreate,
    RoomList,
    RoomRecord,
    IngressAdmin,
    /// To administer the room that the request names.
    RoomAdmin,
    /// The same, and the room to which it moves or forwards somebody.
    TwoRooms,
    SipAdmin,
    SipCall,
    /// To administer the room that the request names, and to make calls.
    SipTransfer,
}

use Needs::{IngressAdmin, RoomAdmin, RoomCreate, RoomList, RoomRecord, SipAdmin, SipCall, SipTransfer, TwoRooms};

type Methods = &'static [(&'static str, Needs)];

const SERVICES: &[(&str, Methods)] = &[
    (
        "RoomService",
        &[
            ("CreateRoom", RoomCreate),
            ("ListRooms", RoomList),
            ("DeleteRoom", RoomCreate),
            ("ListParticipants", RoomAdmin),
            ("GetParticipant", RoomAdmin),
            ("RemoveParticipant", RoomAdmin),
            ("MutePublishedTrack", RoomAdmin),
            ("UpdateParticipant", RoomAdmin),
            ("UpdateSubscriptions", RoomAdmin),
            ("SendData", RoomAdmin),
            ("UpdateRoomMetadata", RoomAdmin),
            ("ForwardParticipant", TwoRooms),
            ("MoveParticipant", TwoRooms),
            ("PerformRpc", RoomAdmin),
        ],
    ),
    (
        "Egress",
        &[
            ("StartRoomCompositeEgress", RoomRecord),
            ("StartWebEgress", RoomRecord),
            ("StartParticipantEgress", RoomRecord),
            ("StartTrackCompositeEgress", RoomRecord),
            ("StartTrackEgress", RoomRecord),
            ("UpdateLayout", RoomRecord),
            ("UpdateStream", RoomRecord),
            ("ListEgress", RoomRecord),
            ("StopEgress", RoomRecord),
        ],
    ),
    (
        "Ingress",
        &[
            ("CreateIngress", IngressAdmin),
            ("UpdateIngress", IngressAdmin),
            ("ListIngress", IngressAdmin),
            ("DeleteIngress", IngressAdmin),
        ],
    ),
    (
        "AgentDispatchService",
        &[("CreateDispatch", RoomAdmin), ("DeleteDispatch", RoomAdmin), ("ListDispatch", RoomAdmin)],
    ),
    (
        "SIP",
        &[
            ("CreateSIPInboundTrunk", SipAdmin),
            ("CreateSIPOutboundTrunk", SipAdmin),
            ("UpdateSIPInboundTrunk", SipAdmin),
            ("UpdateSIPOutboundTrunk", SipAdmin),
            ("GetSIPInboundTrunk", SipAdmin),
            ("GetSIPOutboundTrunk", SipAdmin),
            ("ListSIPInboundTrunk", SipAdmin),
            ("ListSIPOutboundTrunk", SipAdmin),
            ("DeleteSIPTrunk", SipAdmin),
            ("CreateSIPDispatchRule", SipAdmin),
            ("UpdateSIPDispatchRule", SipAdmin),
            ("ListSIPDispatchRule", SipAdmin),
            ("DeleteSIPDispatchRule", SipAdmin),
            ("CreateSIPParticipant", SipCall),
            ("TransferSIPParticipant", SipTransfer),
        ],
    ),
];

/// The services.
pub fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(service, _)| *service)
}

/// The methods of a service; none of one that there is not.
pub fn methods(service: &str) -> impl Iterator<Item = &'static str> {
    let methods = SERVICES.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, methods)| methods);
    methods.iter().map(|(method, _)| *method)
}

/// The path of a method.
#[must_use]
pub fn path(service: &str, method: &str) -> String {
    format!("/twirp/livekit.{service}/{method}")
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: u64,
    nbf: u64,
    #[serde(skip_serializing_if = "VideoGrant::is_empty")]
    video: VideoGrant<'a>,
    #[serde(skip_serializing_if = "SipGrant::is_empty")]
    sip: SipGrant,
}

#[expect(clippy::struct_excessive_bools, reason = "LiveKit's own form")]
#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct VideoGrant<'a> {
    #[serde(skip_serializing_if = "is_false")]
    room_create: bool,
    #[serde(skip_serializing_if = "is_false")]
    room_list: bool,
    #[serde(skip_serializing_if = "is_false")]
    room_record: bool,
    #[serde(skip_serializing_if = "is_false")]
    room_admin: bool,
    #[serde(skip_serializing_if = "is_false")]
    ingress_admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_room: Option<&'a str>,
}

#[derive(Default, PartialEq, Serialize)]
struct SipGrant {
    #[serde(skip_serializing_if = "is_false")]
    admin: bool,
    #[serde(skip_serializing_if = "is_false")]
    call: bool,
}

impl VideoGrant<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SipGrant {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives the type of this function")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The token for one call, valid for a minute from `now_s`: it grants what this method with this request needs, and
/// nothing else. `None` for a method that there is not.
#[must_use]
pub fn token(key: &str, secret: &Secret, service: &str, method: &str, request: &Value, now_s: u64) -> Option<String> {
    install_hmac();
    let (_, methods) = SERVICES.iter().find(|(name, _)| *name == service)?;
    let (_, needs) = methods.iter().find(|(name, _)| *name == method)?;
    let (video, sip) = grants(*needs, request);
    let claims = Claims { iss: key, exp: now_s.saturating_add(VALID_S), nbf: now_s, video, sip };
    // As in the token of a webhook, nothing here can fail.
    encode(&Header::new(Algorithm::HS256), &claims, secret.encoding()).ok()
}

fn grants(needs: Needs, request: &Value) -> (VideoGrant<'_>, SipGrant) {
    let (mut video, mut sip) = (VideoGrant::default(), SipGrant::default());
    match needs {
        RoomCreate => video.room_create = true,
        RoomList => video.room_list = true,
        RoomRecord => video.room_record = true,
        IngressAdmin => video.ingress_admin = true,
        RoomAdmin => (video.room_admin, video.room) = (true, field(request, &["room"])),
        TwoRooms => {
            (video.room_admin, video.room) = (true, field(request, &["room"]));
            video.destination_room = field(request, &["destinationRoom", "destination_room"]);
        }
        SipAdmin => sip.admin = true,
        SipCall => sip.call = true,
        SipTransfer => {
            (video.room_admin, video.room) = (true, field(request, &["roomName", "room_name"]));
            sip.call = true;
        }
    }
    (video, sip)
}

/// A field of the request, by any of the names that protobuf's JSON has for it.
fn field<'a>(request: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| request.get(name)).and_then(Value::as_str)
}

/// What the server said went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwirpError {
    /// Twirp's word for it, such as `not_found`.
    pub code: String,
    /// For humans.
    pub message: String,
}

impl TwirpError {
    /// Reads the body of an answer that is no success; `None` if it is none of Twirp's, as that of a proxy in between.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { code: text("code")?, message: text("msg").unwrap_or_default() })
    }
}
