//! What a real LiveKit sent is stored as it came, once, in its place.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use livekit::recording::{Recorded, parse};
use serde_json::Value;
use testkit::{Stored, fixtures};

use crate::rig::Rig;

fn recorded() -> Result<Vec<Recorded>> {
    let mut all = Vec::new();
    for name in fixtures::RECORDINGS {
        all.extend(parse(&fixtures::text(name)?)?);
    }
    Ok(all)
}

/// The ordering key, written down once more and independently.
fn key_of(body: &Value) -> &str {
    let paths = [
        "/egressInfo/egressId",
        "/ingressInfo/ingressId",
        "/room/name",
        "/participant/identity",
        "/track/sid",
        "/job/room/name",
        "/job/id",
    ];
    let mut found = paths.iter().filter_map(|path| body.pointer(path)?.as_str()).filter(|text| !text.is_empty());
    found.next().unwrap_or("default")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn replay(rig: &Rig, requests: &[Recorded]) -> Result<()> {
    for request in requests {
        rig.set_clock(request.received_at);
        let headers: Vec<(&str, &str)> = ["authorization", "content-type", "user-agent"]
            .into_iter()
            .filter_map(|name| Some((name, request.header(name)?)))
            .collect();
        let answer = rig.http.post(&rig.url, &headers, request.body.clone()).await?;
        assert_eq!(
            (answer.status, answer.header("content-length"), answer.body.len()),
            (200, "0", 0),
            "{}",
            request.body
        );
    }
    Ok(())
}

#[tokio::test]
async fn each_recorded_request_is_accepted_at_its_time_and_stored_byte_for_byte_in_its_place() -> Result<()> {
    let (rig, requests) = (Rig::start(|_| ()).await?, recorded()?);
    replay(&rig, &requests).await?;

    let mut first_by_id: BTreeMap<String, &Recorded> = BTreeMap::new();
    for request in &requests {
        let body: Value = serde_json::from_str(&request.body)?;
        first_by_id.entry(body["id"].as_str().context("id")?.to_owned()).or_insert(request);
    }
    let stored = rig.stored().await?;
    assert_eq!(stored.len(), first_by_id.len());
    for message in &stored {
        let id = message.header("Nats-Msg-Id");
        check(message, first_by_id.remove(id).with_context(|| format!("{id} is stored twice"))?)?;
    }
    let (all, unique) = (requests.len() as u64, stored.len() as u64);
    assert_eq!((rig.answered(200, "stored"), rig.answered(200, "duplicate")), (unique, all - unique));
    assert_eq!(rig.metric("roomwire_receiver_duplicates_total"), all - unique);

    let kinds: BTreeSet<&str> = stored.iter().map(|message| message.header("ce-type")).collect();
    assert_eq!(kinds.len(), 16, "15 types and one that nobody knows yet: {kinds:?}");
    Ok(())
}

fn check(message: &Stored, request: &Recorded) -> Result<()> {
    assert_eq!(message.body, request.body.as_bytes());
    let body: Value = serde_json::from_str(&request.body)?;
    let (id, kind, key) = (body["id"].as_str().context("id")?, body["event"].as_str().context("event")?, key_of(&body));

    let shard = xxh3_shard(key);
    assert_eq!(message.stream, format!("RW_EVENTS_{shard}"));
    assert_eq!(message.subject, format!("rw.ev.{shard}.{kind}"));

    let created_at: i64 = body["createdAt"].as_str().context("createdAt")?.parse()?;
    for (name, expected) in [
        ("ce-specversion", "1.0"),
        ("ce-id", id),
        ("ce-type", kind),
        ("ce-source", "livekit/default"),
        ("ce-time", &jiff::Timestamp::from_second(created_at)?.to_string()),
        ("ce-subject", &encoded(key)),
        ("Rw-Key", &encoded(key)),
        ("Rw-Project", "default"),
        ("Rw-Api-Key", "devkey"),
        ("Rw-Content-Type", "application/webhook+json"),
        ("Rw-User-Agent", request.header("user-agent").context("user agent")?),
        ("Rw-Spooled", ""),
    ] {
        assert_eq!(message.header(name), expected, "{name} of {id}");
    }
    let received_at: jiff::Timestamp = message.header("Rw-Received-At").parse()?;
    let ms = i64::try_from(std::time::Duration::from_secs_f64(request.received_at).as_millis())?;
    assert_eq!(received_at.as_millisecond(), ms);
    assert!(message.header("traceparent").starts_with("00-"), "{}", message.header("traceparent"));
    let secrets = message.headers.iter().any(|(name, _)| name.to_string().eq_ignore_ascii_case("authorization"));
    assert!(!secrets, "the token must never be stored");
    Ok(())
}

/// The shards of the keys in the recordings, by the rule of the documentation.
fn xxh3_shard(key: &str) -> u16 {
    let key = event::OrderingKey::try_from(key).unwrap();
    event::shard::shard_of(&event::Project::default(), &key, 4.try_into().unwrap())
}

#[tokio::test]
async fn events_of_one_key_are_stored_in_the_order_of_acceptance() -> Result<()> {
    let (rig, requests) = (Rig::start(|_| ()).await?, recorded()?);
    replay(&rig, &requests).await?;
    let (mut sent, mut have): (BTreeMap<_, Vec<String>>, BTreeMap<_, Vec<String>>) = Default::default();
    for request in &requests {
        let body: Value = serde_json::from_str(&request.body)?;
        let ids = sent.entry(encoded(key_of(&body))).or_default();
        let id = body["id"].as_str().context("id")?.to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    for message in rig.stored().await? {
        have.entry(message.header("Rw-Key").to_owned()).or_default().push(message.header("ce-id").to_owned());
    }
    assert_eq!(have, sent);
    Ok(())
}

#[tokio::test]
async fn a_type_that_cannot_be_a_subject_is_stored_under_other_with_its_name_in_a_header() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let body = r#"{"event":"Room Renamed >","room":{"name":"r"},"id":"EV_1"}"#;
    assert_eq!(rig.send(body).await?.status, 200);
    let stored = rig.stored().await?;
    let message = stored.first().context("one message")?;
    assert_eq!(message.subject, format!("rw.ev.{}.other", xxh3_shard("r")));
    assert_eq!(message.header("ce-type"), "Room%20Renamed%20>");
    assert_eq!(message.body, body.as_bytes());
    Ok(())
}
