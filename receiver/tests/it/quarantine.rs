//! What is refused is kept before it is answered, in the stream of its class, and nobody can push out another class.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result};
use event::quarantine::{BEGINNING, Class, Kept, Quarantined};
use futures_util::future::join_all;
use service::config::QuarantineSection;
use testkit::http::{Answer, raw};
use testkit::{Stored, wait_until};

use crate::refusals::{Case, cases, token};
use crate::rig::{KEY, NOW_S, Rig, SECRET, SOON, id_of, room_started};

fn record(message: &Stored) -> Quarantined {
    Quarantined::from_headers(|name| message.headers.get(name).map(async_nats::HeaderValue::as_str)).unwrap()
}

/// With a valid signature, sent too late.
async fn send_expired(rig: &Rig, body: &str) -> Result<Answer> {
    rig.http.webhook(&rig.url, &token(KEY, SECRET, body, NOW_S - 400), body.to_owned()).await
}

async fn send_garbage(rig: &Rig, number: usize) -> Result<Answer> {
    rig.http.webhook(&rig.url, "garbage", format!("{number}{}", "x".repeat(2000))).await
}

fn small(max_bytes: u64, rate: u32) -> QuarantineSection {
    QuarantineSection { max_bytes, rate: NonZeroU32::new(rate).unwrap() }
}

#[tokio::test]
async fn every_refused_request_is_kept_with_its_token_and_why() -> Result<()> {
    let rig = Rig::start(|config| config.max_body = 4096).await?;
    for Case { status, reason, token, body } in cases(4096) {
        let mut headers = vec![("content-type", "application/webhook+json"), ("user-agent", "LiveKit")];
        headers.extend(token.iter().map(|token| ("authorization", token.as_str())));
        assert_eq!(rig.http.post(&rig.url, &headers, body.clone()).await?.status, status);
        let all = rig.quarantined().await?;
        let message = all.iter().find(|message| record(message).reason == reason).context(reason)?;
        let record = record(message);
        let class = match reason {
            "no_header" | "malformed" | "unknown_key" => Class::Unknown,
            "bad_signature" | "hash_mismatch" | "body_too_large" => Class::Named,
            _ => Class::Signed,
        };
        assert_eq!(record.class, class, "{reason}");
        assert_eq!(message.stream, format!("RW_QUARANTINE_{}", class.as_str().to_ascii_uppercase()));
        assert_eq!(message.subject, format!("rw.quarantine.{class}.{reason}"));
        assert_eq!((record.token, record.received_at_ms), (token, NOW_S * 1000));
        assert_eq!(record.user_agent.as_deref(), Some("LiveKit"));
        assert!(record.peer.starts_with("127.0.0.1:") && !record.words.is_empty(), "{reason}");
        let whole = reason != "body_too_large";
        assert_eq!(record.kept == Kept::Whole, whole, "{reason}");
        assert_eq!(message.body, body.as_bytes(), "{reason}: it is short");
        let series = format!("roomwire_receiver_quarantined_total{{class=\"{class}\",reason=\"{reason}\"}}");
        assert_eq!(rig.metric(&series), 1, "{series}");
    }
    assert!(rig.stored().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_a_request_says_of_itself_is_noted() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let body = room_started("claims");
    assert_eq!(send_expired(&rig, &body).await?.status, 401);
    let claimed = record(rig.quarantined().await?.first().context("one")?).claimed;
    assert_eq!(claimed.id, Some(id_of(&body)));
    assert_eq!((claimed.kind.as_deref(), claimed.key.as_deref()), (Some("room_started"), Some("claims")));
    assert_eq!(claimed.api_key.as_deref(), Some(KEY));
    Ok(())
}

#[tokio::test]
async fn the_same_request_is_kept_once() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let body = room_started("twice");
    for _ in 0..2 {
        assert_eq!(send_expired(&rig, &body).await?.status, 401);
    }
    assert_eq!(rig.quarantined().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn of_a_body_that_is_too_large_size_and_beginning_are_kept() -> Result<()> {
    let rig = Rig::start(|config| config.max_body = 100_000).await?;
    let body = "x".repeat(300_000);
    assert_eq!(rig.http.webhook(&rig.url, "garbage", body.clone()).await?.status, 413);
    let piece = format!("{:x}\r\n{}\r\n", 60_000, "y".repeat(60_000));
    let head = "POST /livekit HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(&rig.address, format!("{head}{piece}{piece}0\r\n\r\n").as_bytes()).await?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let kept = rig.quarantined().await?;
    let [announced, grown] = kept.as_slice() else { panic!("{} are kept", kept.len()) };
    assert_eq!(record(announced).kept, Kept::Cut { bytes: Some(300_000) });
    assert_eq!(record(grown).kept, Kept::Cut { bytes: None });
    assert_eq!((announced.body.len(), grown.body.len()), (BEGINNING, BEGINNING));
    Ok(())
}

#[tokio::test]
async fn without_its_stream_a_refusal_is_answered_503_and_events_go_on() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    rig.nats.jetstream().await?.delete_stream("RW_QUARANTINE_UNKNOWN").await?;
    assert_eq!(send_garbage(&rig, 1).await?.status, 503);
    assert_eq!(rig.answered(503, "quarantine"), 1);
    assert_eq!(rig.metric("roomwire_receiver_not_quarantined_total{class=\"unknown\",cause=\"quarantine\"}"), 1);
    assert_eq!(send_expired(&rig, &room_started("other class")).await?.status, 401);
    assert_eq!(rig.send(&room_started("event")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn while_nats_is_away_nothing_is_refused_for_good() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    rig.nats.kill()?;
    wait_until(SOON, "it is noticed", || async { !rig.health.is_ready() }).await?;
    let body = room_started("away");
    assert_eq!(send_expired(&rig, &body).await?.status, 503);
    rig.nats.restart().await?;
    wait_until(SOON, "it is refused", || async { send_expired(&rig, &body).await.is_ok_and(|a| a.status == 401) })
        .await?;
    assert_eq!(rig.quarantined().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_flood_pushes_out_nothing_that_a_key_has_signed() -> Result<()> {
    let rig = Rig::start(|config| config.quarantine = Some(small(512 << 10, 100_000))).await?;
    let body = room_started("signed");
    assert_eq!(send_expired(&rig, &body).await?.status, 401);
    for number in 0..150 {
        assert_eq!(send_garbage(&rig, number).await?.status, 401);
        // Anybody can write a token that names a key; it has a quota of its own, too.
        let forged = format!("{number}{}", "x".repeat(3000));
        let token = token(KEY, "a secret of nobody, and long enough", &forged, NOW_S);
        assert_eq!(rig.http.webhook(&rig.url, &token, forged).await?.status, 401);
    }
    let kept = rig.quarantined().await?;
    let of = |class: Class| kept.iter().filter(|message| record(message).class == class).collect::<Vec<_>>();
    let signed = of(Class::Signed);
    assert_eq!(signed.iter().map(|message| &message.body[..]).collect::<Vec<_>>(), [body.as_bytes()]);
    for (class, quota) in [(Class::Unknown, 128 << 10), (Class::Named, 256 << 10)] {
        let messages = of(class);
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        assert!(bytes > quota / 2 && bytes < quota, "{class}: {bytes}");
        assert!(messages.last().context("the newest")?.body.starts_with(b"149"), "the oldest go first");
    }
    Ok(())
}

#[tokio::test]
async fn over_its_rate_a_class_is_answered_503_and_the_others_go_on() -> Result<()> {
    let rig = Rig::start(|config| config.quarantine = Some(small(256 << 20, 1))).await?;
    let answers = join_all((0..40).map(|number| send_garbage(&rig, number))).await;
    let statuses: Vec<u16> =
        answers.into_iter().map(|answer| answer.map(|answer| answer.status)).collect::<Result<_>>()?;
    let refused = statuses.iter().filter(|status| **status == 401).count();
    let unavailable = statuses.iter().filter(|status| **status == 503).count();
    assert!(refused >= 1 && unavailable >= 1 && refused + unavailable == 40, "{statuses:?}");
    assert_eq!(rig.quarantined().await?.len(), refused);
    assert_eq!(rig.answered(503, "quarantine_rate"), unavailable as u64);
    let series = "roomwire_receiver_not_quarantined_total{class=\"unknown\",cause=\"quarantine_rate\"}";
    assert_eq!(rig.metric(series), unavailable as u64);
    assert_eq!(send_expired(&rig, &room_started("other class")).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_wrong_path_is_not_kept_and_switched_off_nothing_is() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    assert_eq!(rig.http.webhook(&format!("http://{}/", rig.address), "garbage", "x").await?.status, 404);
    assert!(rig.quarantined().await?.is_empty());
    let off = Rig::start(|config| config.quarantine = None).await?;
    assert_eq!(send_garbage(&off, 1).await?.status, 401);
    let missing = off.nats.jetstream().await?.get_stream("RW_QUARANTINE_UNKNOWN").await;
    assert!(missing.is_err(), "no stream is made");
    Ok(())
}
