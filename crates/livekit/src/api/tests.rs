//! What the token of each kind of call grants, and to whom.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::token::Keys;

const SECRET: &str = "a-secret-of-more-than-32-characters";

fn claims(service: &str, method: &str, request: &Value) -> Value {
    let secret = Secret::new(SECRET).unwrap();
    let token = token("APIkey", &secret, service, method, request, 1_000).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn a_token_grants_what_its_method_needs_and_nothing_else() {
    let room = json!({"room": "standup", "identity": "ann"});
    for (service, method, request, video, sip) in [
        ("RoomService", "CreateRoom", json!({"name": "x"}), json!({"roomCreate": true}), Value::Null),
        ("RoomService", "ListRooms", json!({}), json!({"roomList": true}), Value::Null),
        ("RoomService", "RemoveParticipant", room, json!({"roomAdmin": true, "room": "standup"}), Value::Null),
        (
            "RoomService",
            "MoveParticipant",
            json!({"room": "a", "identity": "i", "destination_room": "b"}),
            json!({"roomAdmin": true, "room": "a", "destinationRoom": "b"}),
            Value::Null,
        ),
        ("Egress", "StopEgress", json!({"egressId": "EG_1"}), json!({"roomRecord": true}), Value::Null),
        ("Ingress", "ListIngress", json!({"roomName": "a"}), json!({"ingressAdmin": true}), Value::Null),
        ("SIP", "ListSIPInboundTrunk", json!({}), Value::Null, json!({"admin": true})),
        (
            "SIP",
            "TransferSIPParticipant",
            json!({"roomName": "a"}),
            json!({"roomAdmin": true, "room": "a"}),
            json!({"call": true}),
        ),
    ] {
        let claims = claims(service, method, &request);
        assert_eq!(claims["video"], video, "{service}/{method}");
        assert_eq!(claims["sip"], sip, "{service}/{method}");
    }
}

#[test]
fn a_token_names_its_key_and_is_valid_for_a_minute() {
    let claims = claims("RoomService", "ListRooms", &json!({}));
    assert_eq!((&claims["iss"], &claims["nbf"], &claims["exp"]), (&json!("APIkey"), &json!(1_000), &json!(1_060)));
}

#[test]
fn a_token_of_a_call_is_no_token_of_a_webhook() {
    let secret = Secret::new(SECRET).unwrap();
    let token = token("APIkey", &secret, "RoomService", "ListRooms", &json!({}), 1_000).unwrap();
    let mut keys = Keys::new();
    keys.insert("APIkey", secret);
    let refusal = crate::token::verify(&keys, Some(&token), b"{}", 1_000, 0).unwrap_err();
    assert!(refusal.to_string().contains("sha256"), "{refusal}");
}

#[test]
fn a_method_that_there_is_not_has_no_token() {
    let secret = Secret::new(SECRET).unwrap();
    for (service, method) in [("RoomService", "Reboot"), ("Room", "ListRooms"), ("", "")] {
        assert_eq!(token("APIkey", &secret, service, method, &json!({}), 1_000), None);
    }
}

#[test]
fn an_error_of_twirp_is_read_and_a_page_of_a_proxy_is_none() {
    let error = TwirpError::parse(br#"{"code":"not_found","msg":"participant does not exist","meta":{}}"#);
    assert_eq!(error, Some(TwirpError { code: "not_found".into(), message: "participant does not exist".into() }));
    assert_eq!(TwirpError::parse(b"<html>502 Bad Gateway</html>"), None);
    assert_eq!(TwirpError::parse(b"{}"), None);
}
