//! What JetStream does not take waits in the spool and goes to it in order, once.

mod killed;
mod random;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use receiver::{Config, RunError};
use service::config::SpoolSection;
use tempfile::TempDir;
use testkit::wait_until;

use crate::rig::{Rig, SOON, id_of, room_started};

fn folder() -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = folder.path().join("spool.db");
    Ok((folder, path))
}

fn at(path: &Path, config: &mut Config) {
    config.spool = Some(SpoolSection { path: path.to_owned(), ..SpoolSection::default() });
}

async fn nats_is_away(rig: &Rig) -> Result<()> {
    rig.nats.kill()?;
    wait_until(SOON, "it is noticed", || async { !rig.health.is_ready() }).await
}

async fn empty(rig: &Rig) -> Result<()> {
    wait_until(SOON * 2, "the spool is empty", || async { rig.metric("roomwire_receiver_spool_events") == 0 }).await
}

#[tokio::test]
async fn while_nats_is_away_events_are_accepted_and_arrive_in_order_when_it_is_back() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| at(&path, config)).await?;
    let before = room_started("room");
    assert_eq!(rig.send(&before).await?.status, 200);
    nats_is_away(&rig).await?;
    let mut sent = vec![id_of(&before)];
    for _ in 0..30 {
        let body = room_started("room");
        assert_eq!(rig.send(&body).await?.status, 200);
        sent.push(id_of(&body));
    }
    assert_eq!((rig.answered(200, "stored"), rig.answered(200, "spooled")), (1, 30));
    wait_until(SOON, "its depth is shown", || async { rig.metric("roomwire_receiver_spool_events") == 30 }).await?;
    assert!(rig.metric("roomwire_receiver_spool_bytes") > 30 * 100);
    let report = receiver::report(&path).await?;
    assert_eq!((report.events, report.lanes), (30, 1));
    rig.nats.restart().await?;
    empty(&rig).await?;
    let stored = rig.stored().await?;
    let ids: Vec<&str> = stored.iter().map(|message| message.header("ce-id")).collect();
    assert_eq!(ids, sent);
    let spooled: Vec<&str> = stored.iter().map(|message| message.header("Rw-Spooled")).collect();
    assert_eq!((spooled[0], &spooled[1..]), ("", &["true"; 30][..]));
    wait_until(SOON, "it is counted", || async { rig.metric("roomwire_receiver_spool_drained_total") == 30 }).await?;
    wait_until(SOON, "the file is empty", || async { receiver::report(&path).await.is_ok_and(|it| it.events == 0) })
        .await?;
    let after = room_started("room");
    assert_eq!(rig.send(&after).await?.status, 200);
    assert_eq!(rig.answered(200, "stored"), 2, "with nothing of the room in the spool it goes straight to JetStream");
    Ok(())
}

#[tokio::test]
async fn a_body_comes_out_of_the_spool_byte_for_byte_with_the_same_headers() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| at(&path, config)).await?;
    nats_is_away(&rig).await?;
    let body = room_started("Ω \"quoted\" \\ \u{2028} room");
    assert_eq!(rig.send(&body).await?.status, 200);
    rig.nats.restart().await?;
    empty(&rig).await?;
    let stored = rig.stored().await?;
    let message = stored.first().unwrap();
    assert_eq!(message.body, body.as_bytes());
    assert_eq!(message.header("ce-type"), "room_started");
    assert_eq!(message.header("Rw-Api-Key"), "devkey");
    assert_eq!(message.header("Rw-User-Agent"), "LiveKit");
    assert!(!message.header("traceparent").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_repeat_of_what_waits_is_a_duplicate_and_stored_once() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| at(&path, config)).await?;
    nats_is_away(&rig).await?;
    let body = room_started("twice");
    assert_eq!((rig.send(&body).await?.status, rig.send(&body).await?.status), (200, 200));
    assert_eq!((rig.answered(200, "spooled"), rig.answered(200, "duplicate")), (1, 1));
    rig.nats.restart().await?;
    empty(&rig).await?;
    assert_eq!(rig.stored().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_event_of_unknown_fate_and_all_that_follow_it_stay_in_order() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| {
        at(&path, config);
        config.answer_within = Duration::from_millis(600);
    })
    .await?;
    rig.stall();
    let mut sent = Vec::new();
    for turn in 0..10 {
        let body = room_started("slow");
        // The disk of a busy machine may need more than its share of the time: then LiveKit sends again.
        wait_until(SOON, "accepted", || async { rig.send(&body).await.is_ok_and(|a| a.status == 200) }).await?;
        sent.push(id_of(&body));
        if turn == 5 {
            rig.go_on();
        }
    }
    empty(&rig).await?;
    let stored = rig.stored().await?;
    assert_eq!(stored.iter().map(|message| message.header("ce-id")).collect::<Vec<_>>(), sent);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_gone_keeps_its_events_in_the_spool_and_no_others() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| at(&path, config)).await?;
    let js = rig.nats.jetstream().await?;
    js.delete_stream("RW_EVENTS_0").await?;
    let rooms: Vec<String> = (0..40).map(|room| format!("room-{room}")).collect();
    for room in &rooms {
        assert_eq!(rig.send(&room_started(room)).await?.status, 200);
    }
    let (stored, spooled) = (rig.answered(200, "stored"), rig.answered(200, "spooled"));
    assert!(stored > 0 && spooled > 0 && stored + spooled == 40, "{stored} {spooled}");
    // The receiver looks for a stream that does not answer, and makes it anew.
    empty(&rig).await?;
    assert_eq!(rig.stored().await?.len(), 40);
    Ok(())
}

#[tokio::test]
async fn a_full_stream_fills_the_spool_and_a_full_spool_is_answered_503() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| {
        config.streams.shards = std::num::NonZeroU16::MIN;
        config.streams.max_bytes = 64 << 10;
        at(&path, config);
        config.spool.as_mut().unwrap().max_bytes = 64 << 10;
    })
    .await?;
    let mut accepted = Vec::new();
    let refused = loop {
        let body = room_started("full");
        match rig.send(&body).await?.status {
            200 => accepted.push(id_of(&body)),
            status => break (status, body),
        }
    };
    assert_eq!((refused.0, rig.answered(503, "spool_full")), (503, 1));
    assert!(rig.answered(200, "stored") > 0 && rig.answered(200, "spooled") > 10);
    rig.nats.jetstream().await?.get_stream("RW_EVENTS_0").await?.purge().await?;
    let stored = rig.answered(200, "stored");
    empty(&rig).await?;
    let ids: Vec<_> = rig.stored().await?.iter().map(|message| message.header("ce-id").to_owned()).collect();
    let spooled = accepted.get(usize::try_from(stored)?..).unwrap_or_default();
    assert_eq!(ids, spooled, "what was purged by hand is gone, the rest is there in order");
    assert_eq!(rig.send(&refused.1).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn with_patience_livekit_holds_the_room_first_and_then_the_spool() -> Result<()> {
    let (_folder, path) = folder()?;
    let rig = Rig::start(|config| {
        at(&path, config);
        config.spool.as_mut().unwrap().after = Duration::from_millis(700);
    })
    .await?;
    nats_is_away(&rig).await?;
    let body = room_started("patient");
    assert_eq!(rig.send(&body).await?.status, 503);
    wait_until(SOON, "the spool takes it", || async { rig.send(&body).await.is_ok_and(|a| a.status == 200) }).await?;
    assert_eq!(rig.answered(200, "spooled"), 1);
    Ok(())
}

#[tokio::test]
async fn a_spool_has_one_receiver() -> Result<()> {
    let (_folder, path) = folder()?;
    let first = Rig::start(|config| at(&path, config)).await?;
    let mut second = Rig::start_on(testkit::NatsServer::start().await?, |config| at(&path, config)).await?;
    let error = (&mut second.running).await?.unwrap_err();
    assert!(matches!(error, RunError::Spool(_)), "{error:?}");
    let words = service::error::Chain(&error).to_string();
    let expected = format!("another process ({}) has it", std::process::id());
    assert!(words.contains(&expected), "{words}");
    assert_eq!(first.send(&room_started("served")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_spool_is_refused() -> Result<()> {
    let (_folder, path) = folder()?;
    std::fs::write(&path, "not a database, but somebody's text that is long enough to be read as a header".repeat(4))?;
    let mut rig = Rig::start_on(testkit::NatsServer::start().await?, |config| at(&path, config)).await?;
    let error = (&mut rig.running).await?.unwrap_err();
    let words = service::error::Chain(&error).to_string();
    assert!(words.contains("cannot open the spool") && words.contains("spool.db"), "{words}");
    Ok(())
}
