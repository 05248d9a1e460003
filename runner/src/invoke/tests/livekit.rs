//! Calls of LiveKit's API, against a server that checks the token as LiveKit does.

use ::livekit::token::Secret;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::rig::{Rig, logs, published, rooms};
use super::upstream::{Upstream, text};
use super::*;
use crate::host::{Api, Tape, Tls};

const SECRET: &str = "a-secret-of-more-than-32-characters";

/// LiveKit's own rules for `RoomService`, as far as they are needed here.
fn livekit_server(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let line = head.lines().next().unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let error = |status: &str, code: &str, msg: &str| text(status, "", &json!({"code": code, "msg": msg}).to_string());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss", "nbf"]);
    validation.set_issuer(&["APIkey"]);
    validation.validate_nbf = true;
    let authorization = header("authorization: ");
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let claims = match decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation) {
        Ok(token) => token.claims,
        Err(cause) => return error("401 Unauthorized", "unauthenticated", &cause.to_string()),
    };
    let body: Value = serde_json::from_str(body).unwrap();
    let video = &claims["video"];
    match line.split(' ').nth(1).unwrap_or_default() {
        _ if header("content-type: ") != "application/json" => error("400 Bad Request", "bad_route", "content type"),
        "/twirp/livekit.RoomService/RemoveParticipant"
            if video["roomAdmin"] != true || video["room"] != body["room"] =>
        {
            error("401 Unauthorized", "unauthenticated", "permissions denied")
        }
        "/twirp/livekit.RoomService/RemoveParticipant" if body["identity"] == "nobody" => {
            error("404 Not Found", "not_found", "participant not found")
        }
        "/twirp/livekit.RoomService/RemoveParticipant" => text("200 OK", "", "{}"),
        "/twirp/livekit.RoomService/ListRooms" if video["roomList"] == true => {
            text("200 OK", "", r#"{"rooms":[{"name":"standup"}]}"#)
        }
        "/twirp/livekit.Egress/ListEgress" => text("502 Bad Gateway", "", "<html>no upstream</html>"),
        _ => error("401 Unauthorized", "unauthenticated", "permissions denied"),
    }
}

async fn rig(url: &str, behaviours: &[&str], allowed: &[&str]) -> Rig {
    let yaml = format!(
        "livekit: {{ url: \"{url}\" }}\nhandlers:\n  - name: a\n    plugin: ./a.wasm\n    on: [\"*\"]\n    allow: {{ livekit: \
         [{}] }}\n",
        allowed.join(", ")
    );
    let config = service::config::parse(&yaml, std::path::Path::new("roomwire.yaml")).unwrap();
    let allowed = config.handlers[0].allow.livekit.clone();
    let key = ("APIkey".to_owned(), Secret::new(SECRET).unwrap());
    let api = Api::new(config.livekit.url.as_deref().unwrap(), key, allowed, Tls::default()).unwrap();
    let grants = Grants { livekit: Some(Arc::new(api)), ..Grants::default() };
    Rig::behave(rooms(behaviours.iter().copied()), Duration::from_secs(2), grants).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_call_is_signed_for_what_it_needs_and_each_kind_of_answer_has_its_error() {
    let server = Upstream::answering(livekit_server).await;
    let cases = [
        ("livekit:RoomService/ListRooms {}", r#"{"rooms":[{"name":"standup"}]}"#),
        (r#"livekit:RoomService/RemoveParticipant {"room":"standup","identity":"ann"}"#, "{}"),
        (
            r#"livekit:RoomService/RemoveParticipant {"room":"standup","identity":"nobody"}"#,
            r#"Error::Twirp(("not_found", "participant not found"))"#,
        ),
        ("livekit:Egress/ListEgress {}", "Error::Unavailable"),
        ("livekit:RoomService/DeleteRoom {}", "add it to the handler's `allow.livekit`"),
        ("livekit:RoomService/ListRooms nonsense", "no JSON"),
        ("livekit:RoomService/ListRooms []", "no JSON object"),
    ];
    let behaviours: Vec<&str> = cases.iter().map(|(behaviour, _)| *behaviour).collect();
    let allowed = ["RoomService/ListRooms", "RoomService/RemoveParticipant", "Egress/*"];
    let rig = rig(&server.url(""), &behaviours, &allowed).await;
    for (at, (behaviour, words)) in cases.iter().enumerate() {
        let finished = rig.call(&format!("r{at}")).await;
        assert!(published(&finished).contains(words), "{behaviour}: {}", published(&finished));
        let everything = format!("{:?}{:?}", finished.report, rig.generation.grants);
        assert!(!everything.contains(SECRET), "{everything}");
    }
    assert_eq!(server.requests().len(), 4, "{:?}", server.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_livekit_that_does_not_answer_is_unavailable_and_the_others_go_on() {
    let server = Upstream::start().await;
    let nobody = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("ws://{}", listener.local_addr().unwrap())
    };
    let rig = rig(&nobody, &["livekit:RoomService/ListRooms {}"], &["RoomService/*"]).await;
    let finished = rig.call("r0").await;
    assert!(published(&finished).contains("Error::Unavailable"), "{}", published(&finished));
    assert!(logs(&finished).contains("failed to connect"), "{}", logs(&finished));
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_no_call_is_made() {
    let rig = Rig::behave(rooms(["livekit:RoomService/ListRooms {}"]), LIMITS.timeout, Grants::default()).await;
    assert!(published(&rig.call("r0").await).contains("Error::Denied"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_called_once_can_be_answered_without_livekit_and_another_call_is_told() {
    let server = Upstream::answering(livekit_server).await;
    let behaviours = [
        "livekit:RoomService/ListRooms {}",
        r#"livekit:RoomService/RemoveParticipant {"room":"standup","identity":"nobody"}"#,
        r#"livekit:RoomService/RemoveParticipant {"room":"standup","identity":"ann"}"#,
    ];
    let rig = rig(&server.url(""), &behaviours, &["RoomService/*"]).await;
    let on = async |tape: Tape, room: &str| {
        let tape = Arc::new(tape);
        let Generation { linked, digest, grants, limits } = &*rig.generation;
        let grants = Arc::new(Grants { tape: Some(tape.clone()), ..(**grants).clone() });
        let generation = Generation { linked: linked.clone(), digest: digest.clone(), grants, limits: *limits };
        let said = published(&handle(&rig.engine, &generation, event(room), Lease::default(), None).await);
        let (calls, differences) = tape.end();
        (said, calls, differences)
    };
    let mask = || rig.generation.grants.mask.clone();
    for room in ["r0", "r1"] {
        let (live, calls, _) = on(Tape::recording(mask()), room).await;
        let asked = server.requests().len();
        let (replayed, _, differences) = on(Tape::replaying(mask(), calls.clone()), room).await;
        assert_eq!((replayed, differences), (live, vec![]), "{calls:?}");
        assert_eq!(server.requests().len(), asked, "nothing goes out");
        let (other, _, differences) = on(Tape::replaying(mask(), calls), "r2").await;
        assert!(other.contains("not in the recording"), "{other}");
        assert!(differences[0].contains(r#"RoomService/RemoveParticipant {"identity":"ann","room":"standup"}"#));
        assert!(differences[1].starts_with("calls: recorded and not made: RoomService/"), "{differences:?}");
    }
}
