//! `privacy.drop`: what is not to be stored is nowhere, and what is stored can still be verified.

use anyhow::{Context as _, Result};
use event::quarantine::{Kept, Quarantined};
use event::{OrderingKey, Project};
use livekit::generate::{Names, event};
use livekit::token::sha256;
use receiver::{Privacy, Request, Rules, judge};
use service::config::SpoolSection;
use testkit::wait_until;

use crate::refusals::token;
use crate::rig::{NOW_S, Rig, SOON, keys, room_started};

fn privacy(names: &[&str]) -> Privacy {
    Privacy::new(names.iter().map(|&name| name.to_owned()))
}

#[tokio::test]
async fn dropped_fields_are_not_stored_and_every_other_byte_is() -> Result<()> {
    let rig = Rig::start(|config| config.privacy = privacy(&["turnPassword", "metadata", "streamKey"])).await?;
    let body = event("participant_joined", &Names { spaced: true, ..Names::new("private", "ada") });
    assert!(body.contains(r#""turnPassword":"simulated""#) && body.contains("metadata"), "{body}");
    assert_eq!(rig.send(&body).await?.status, 200);
    let plain = r#"{"event":"x", "id":"EV_plain" }"#;
    assert_eq!(rig.send(plain).await?.status, 200);

    let stored = rig.stored().await?;
    let find = |id: &str| stored.iter().find(|message| message.header("ce-id") == id).context("stored");
    let message = find(&crate::rig::id_of(&body))?;
    let expected =
        body.replace(r#", "turnPassword":"simulated""#, "").replace(r#", "metadata":"{\"title\":\"simulated\"}""#, "");
    assert_eq!(String::from_utf8_lossy(&message.body), expected);
    assert_ne!(expected.len(), body.len());
    assert_eq!(message.header("Rw-Body-Sha256"), sha256(body.as_bytes()).to_string());

    let message = find("EV_plain")?;
    assert_eq!((&message.body[..], message.header("Rw-Body-Sha256")), (plain.as_bytes(), ""));
    Ok(())
}

#[tokio::test]
async fn dropped_fields_are_not_in_the_spool_and_their_hash_comes_out_of_it() -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = folder.path().join("spool.db");
    let rig = Rig::start(|config| {
        config.privacy = privacy(&["turnPassword", "metadata"]);
        config.spool = Some(SpoolSection { path: path.clone(), ..SpoolSection::default() });
    })
    .await?;
    rig.nats.kill()?;
    wait_until(SOON, "it is noticed", || async { !rig.health.is_ready() }).await?;
    let body = room_started("spooled");
    assert!(body.contains("simulated"), "{body}");
    assert_eq!(rig.send(&body).await?.status, 200);
    assert_eq!(rig.answered(200, "spooled"), 1);
    let mut on_disk = Vec::new();
    for file in std::fs::read_dir(folder.path())? {
        on_disk.extend(std::fs::read(file?.path())?);
    }
    let has = |text: &str| on_disk.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("room_started") && !has("turnPassword") && !has("simulated"));

    rig.nats.restart().await?;
    wait_until(SOON * 2, "it is stored", || async { rig.stored().await.is_ok_and(|stored| stored.len() == 1) }).await?;
    let stored = rig.stored().await?;
    let message = &stored[0];
    assert_eq!(message.header("Rw-Spooled"), "true");
    assert_eq!(message.header("Rw-Body-Sha256"), sha256(body.as_bytes()).to_string());
    let left = String::from_utf8_lossy(&message.body).into_owned();
    assert!(!left.contains("turnPassword") && left.contains("spooled"), "{left}");
    Ok(())
}

#[tokio::test]
async fn an_event_keeps_its_place_when_its_room_is_not_stored() -> Result<()> {
    let rig = Rig::start(|config| config.privacy = privacy(&["room"])).await?;
    let body = room_started("hidden");
    assert_eq!(rig.send(&body).await?.status, 200);
    let stored = rig.stored().await?;
    assert_eq!(stored[0].header("Rw-Key"), "hidden");
    assert!(!String::from_utf8_lossy(&stored[0].body).contains("hidden"));
    Ok(())
}

#[tokio::test]
async fn a_refused_request_without_its_dropped_fields_can_still_be_verified_and_only_with_its_own_token() -> Result<()>
{
    let names = ["turnPassword", "metadata"];
    let rig = Rig::start(|config| config.privacy = privacy(&names)).await?;
    let (body, other) = (room_started("wrong secret"), room_started("other"));
    let secret = "the secret that the receiver should have had";
    let sent = token(crate::rig::KEY, secret, &body, NOW_S);
    assert_eq!(rig.http.webhook(&rig.url, &sent, body.clone()).await?.status, 401);

    let kept = rig.quarantined().await?;
    let message = kept.first().context("one is kept")?;
    assert!(!String::from_utf8_lossy(&message.body).contains("simulated"), "the fields are nowhere");
    let record =
        Quarantined::from_headers(|name| message.headers.get(name).map(async_nats::HeaderValue::as_str)).unwrap();
    let Kept::WithoutFields { sha256: whole } = record.kept else { panic!("{:?}", record.kept) };
    assert_eq!(whole, sha256(body.as_bytes()));

    let wrong = keys();
    let mut right = keys();
    right.insert(crate::rig::KEY, livekit::token::Secret::new(secret)?);
    let request = |authorization: String| Request {
        authorization: Some(authorization.into()),
        body: message.body.clone(),
        sha256: Some(whole),
        key: Some(OrderingKey::try_from("wrong secret").unwrap()),
        received_at_ms: record.received_at_ms,
        content_type: None,
        user_agent: None,
        traceparent: None,
    };
    let project = Project::default();
    let (privacy, leeway_s) = (privacy(&names), 60);
    let judge = |keys, token| judge(&Rules { keys, leeway_s, project: &project, privacy: &privacy }, &request(token));
    let judged = judge(&right, sent.clone()).unwrap();
    assert_eq!((judged.body, judged.envelope.body_sha256), (message.body.clone(), Some(whole)));
    assert_eq!(judge(&wrong, sent).unwrap_err().reason(), "bad_signature");
    let foreign = token(crate::rig::KEY, secret, &other, NOW_S);
    assert_eq!(judge(&right, foreign).unwrap_err().reason(), "hash_mismatch");
    Ok(())
}
