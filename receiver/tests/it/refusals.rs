//! What can never become valid is refused for good, with its reason; nothing of it is stored.

use anyhow::Result;
use hyper::Method;
use livekit::Refusal;
use livekit::token::{Secret, sign};

use crate::rig::{KEY, NOW_S, Rig, SECRET, room_started};

pub(crate) struct Case {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) body: String,
}

pub(crate) fn token(key: &str, secret: &str, body: &str, now_s: u64) -> String {
    sign(key, &Secret::new(secret).unwrap(), body.as_bytes(), now_s)
}

pub(crate) fn cases(max_body: usize) -> Vec<Case> {
    let good = room_started("refused");
    let bare = |body: &str| Case { status: 401, reason: "no_header", token: None, body: body.to_owned() };
    let case = |status, reason, token, body: &str| Case { status, reason, token: Some(token), body: body.to_owned() };
    let signed = |body: &str| token(KEY, SECRET, body, NOW_S);
    let large = format!(r#"{{"event":"x","id":"EV_1","pad":"{}"}}"#, "x".repeat(max_body));
    vec![
        bare(&good),
        case(401, "malformed", "abc".to_owned(), &good),
        case(401, "unknown_key", token("nobody", SECRET, &good, NOW_S), &good),
        case(401, "bad_signature", token(KEY, "another secret", &good, NOW_S), &good),
        case(401, "expired", token(KEY, SECRET, &good, NOW_S - 361), &good),
        case(401, "not_yet_valid", token(KEY, SECRET, &good, NOW_S + 61), &good),
        case(401, "hash_mismatch", signed("another body"), &good),
        case(413, "body_too_large", signed(&large), &large),
        case(400, "bad_json", signed("no json"), "no json"),
        case(400, "no_id", signed(r#"{"event":"x"}"#), r#"{"event":"x"}"#),
        case(400, "no_event", signed(r#"{"id":"EV_1"}"#), r#"{"id":"EV_1"}"#),
    ]
}

#[tokio::test]
async fn every_refusal_has_its_status_and_reason_and_nothing_is_stored() -> Result<()> {
    let rig = Rig::start(|config| config.max_body = 4096).await?;
    let cases = cases(4096);
    assert_eq!(cases.iter().map(|case| case.reason).collect::<Vec<_>>(), Refusal::REASONS);
    for Case { status, reason, token, body } in cases {
        let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
        let answer = rig.http.post(&rig.url, &headers, body).await?;
        assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (status, "0", 0), "{reason}");
        assert_eq!(rig.answered(status, reason), 1, "{reason}");
    }
    assert!(rig.stored().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn times_are_forgiven_up_to_the_leeway() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    for signed_at in [NOW_S - 360, NOW_S + 60] {
        let body = room_started("leeway");
        let token = token(KEY, SECRET, &body, signed_at);
        assert_eq!(rig.http.webhook(&rig.url, &token, body).await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn other_paths_and_methods_are_told_from_webhooks() -> Result<()> {
    let rig = Rig::start(|config| config.paths = vec!["/livekit".to_owned(), "/other/hook".to_owned()]).await?;
    let base = format!("http://{}", rig.address);
    for (method, path, status, allow) in [
        (Method::GET, "/livekit", 405, "POST"),
        (Method::PUT, "/livekit?x=1", 405, "POST"),
        (Method::HEAD, "/other/hook", 405, "POST"),
        (Method::POST, "/", 404, ""),
        (Method::POST, "/livekit/", 404, ""),
        (Method::GET, "/metrics", 404, ""),
    ] {
        let answer = rig.http.request(method.clone(), &format!("{base}{path}"), &[], "".into()).await?;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
    }
    let body = room_started("paths");
    let answer = rig.http.webhook(&format!("{base}/other/hook?a=b"), &rig.token(&body), body).await?;
    assert_eq!(answer.status, 200);
    Ok(())
}

#[tokio::test]
async fn without_a_quarantine_a_refusal_says_401_even_when_nats_is_away() -> Result<()> {
    let rig = Rig::start(|config| config.quarantine = None).await?;
    rig.nats.kill()?;
    let answer = rig.http.webhook(&rig.url, "abc", room_started("refused")).await?;
    assert_eq!(answer.status, 401);
    Ok(())
}
