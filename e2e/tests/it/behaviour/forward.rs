//! What `forward` sends on: LiveKit's webhook, signed anew, in the order of its room, until the endpoint has it.

mod sdks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use livekit::token::{Keys, Secret, verify};
use serde_json::{Value, json};
use testkit::http::Http;
use testkit::wait_until;
use testkit::webhook::{KEY, SECRET};

use super::site::{Site, Sums, WINDOW, body};
use crate::rig::{Attempt, LONG, Recorder, Reply, Rig, Script, forward, free_address};

fn script(steps: &[(&str, &[Reply])]) -> Script {
    steps.iter().map(|(id, replies)| ((*id).to_owned(), VecDeque::from(replies.to_vec()))).collect()
}

/// The ids that the endpoint took, by room, in its order.
fn taken(attempts: &[Attempt]) -> BTreeMap<String, Vec<String>> {
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.reply == Reply::Status(200)) {
        taken.entry(attempt.room.clone()).or_default().push(attempt.id.clone());
    }
    taken
}

async fn wait_taken(site: &Site, endpoint: &Recorder, number: usize) -> Result<()> {
    let all = || async { Ok(taken(&endpoint.attempts()).values().map(Vec::len).sum::<usize>() >= number) };
    site.wait(&format!("{number} webhooks to be taken"), all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forwarded_is_livekits_webhook_signed_anew_and_in_order_through_failures() -> Result<()> {
    let endpoint = Recorder::start(script(&[
        ("EV_a_1", &[Reply::Status(503), Reply::Close]),
        ("EV_b_0", &[Reply::After(429, 1)]),
        ("EV_b_2", &[Reply::Status(400), Reply::Status(500)]),
    ]))?;
    let site = Site::start(WINDOW, &[forward(&endpoint.url(), &json!({ "sign": KEY }))?]).await?;
    let ids = |room: &str| (0..4).map(|n| format!("EV_{room}_{n}")).collect::<Vec<_>>();
    for room in ["a", "b"] {
        site.post_all("participant_joined", room, &ids(room)).await?;
    }
    wait_taken(&site, &endpoint, 8).await?;

    let attempts = endpoint.attempts();
    let order = BTreeMap::from(["a", "b"].map(|room| (room.to_owned(), ids(room))));
    assert_eq!(taken(&attempts), order, "each once, and in the order of its room");
    assert_eq!(attempts.len(), 8 + 5, "and sent again only after what failed");
    let mut keys = Keys::new();
    keys.insert(KEY, Secret::new(SECRET)?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut sent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for attempt in &attempts {
        assert_eq!(attempt.body, body("participant_joined", &attempt.room, &attempt.id), "byte for byte");
        assert_eq!(attempt.header("content-type"), "application/webhook+json");
        verify(&keys, Some(attempt.header("authorization")), attempt.body.as_bytes(), now, 5)?;
        sent.entry(&attempt.id).or_default().insert(attempt.header("idempotency-key"));
    }
    assert!(sent.values().all(|keys| keys.len() == 1), "the same key on each try: {sent:?}");
    assert_eq!(sent.values().flatten().collect::<BTreeSet<_>>().len(), 8, "and another for each event: {sent:?}");
    assert_eq!(
        site.end().await?.books("app")?,
        Sums { done: 8, ..Sums::default() },
        "a failing endpoint is no failure"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_endpoint_refuses_holds_back_its_room_until_an_operator_drops_it() -> Result<()> {
    let endpoint = Recorder::start(script(&[("EV_1", &[Reply::Status(410); 99])]))?;
    let site = Site::start(WINDOW, &[forward(&endpoint.url(), &json!({}))?]).await?;
    site.post_all("room_started", "bad", &["EV_1", "EV_2"]).await?;
    site.post_all("room_started", "good", &["EV_3", "EV_4"]).await?;
    wait_taken(&site, &endpoint, 2).await?;
    assert_eq!(taken(&endpoint.attempts()).into_keys().collect::<Vec<_>>(), ["good"]);

    site.wait("the refusal to be told", || async {
        let waiting = site.ask(&["outbox", "list"]).await?;
        Ok(waiting.first().is_some_and(|row| row["error"].as_str().is_some_and(|error| error.contains("answered 410"))))
    })
    .await?;
    let waiting = site.ask(&["outbox", "list", "--handler", "app"]).await?;
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert_eq!(waiting[0]["to"], format!("POST {}", endpoint.url()));
    let id = waiting[0]["id"].to_string();
    let dropped = site.ask_one(&["outbox", "drop", &id]).await?;
    assert_eq!(dropped["id"].to_string(), id);
    wait_taken(&site, &endpoint, 3).await?;
    assert_eq!(taken(&endpoint.attempts())["bad"], ["EV_2"]);
    let refusal = site.refusal(&["outbox", "drop", &id]).await?;
    assert!(refusal.contains(&format!("nothing waits in the outbox under {id}")), "{refusal}");
    site.end().await?;
    Ok(())
}

/// Kills an `up` while the endpoint owes it an answer, starts it again, and says what came until `EV_2` was taken.
async fn killed_while_waiting(send: &Value, decide: bool) -> Result<Vec<Attempt>> {
    let endpoint = Recorder::start(script(&[("EV_1", &[Reply::Hang])]))?;
    let rig = Rig::new(json!({ "handlers": [forward(&endpoint.url(), send)?] }))?;
    let address = free_address()?;
    let first = rig.up(&address).await?;
    for id in ["EV_1", "EV_2"] {
        let answer =
            testkit::webhook::deliver(&Http::default(), first.webhook(), &body("room_started", "r", id)).await?;
        ensure!(answer.status == 200, "{id} was answered {}", answer.status);
    }
    wait_until(LONG, "the first request", || async { !endpoint.attempts().is_empty() }).await?;
    first.process.kill9()?;
    let second = rig.up(&address).await?;
    if decide {
        let nats = second.nats().to_owned();
        let ask = async |arguments: &[&str]| rig.roomwire_json(&[arguments, &["--nats", &nats]].concat()).await;
        let held = async || ask(&["outbox", "list"]).await.unwrap_or_default();
        let told = async || {
            let waiting = held().await;
            waiting
                .first()
                .is_some_and(|row| row["error"].as_str().is_some_and(|error| error.contains("never answered")))
        };
        wait_until(LONG, "the unknown request to be held", told).await?;
        assert_eq!(endpoint.attempts().len(), 1, "it is not sent by itself");
        let id = held().await[0]["id"].to_string();
        ask(&["outbox", "resend", &id]).await?;
    }
    let taken = || async { taken(&endpoint.attempts()).get("r").is_some_and(|ids| ids.len() == 2) };
    wait_until(LONG, "both to be taken", taken).await.with_context(|| second.process.log())?;
    Ok(endpoint.attempts())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_answer_was_lost_in_a_crash_is_sent_again_with_its_key_and_before_what_follows() -> Result<()> {
    let attempts = killed_while_waiting(&json!({}), false).await?;
    let ids: Vec<&str> = attempts.iter().map(|attempt| attempt.id.as_str()).collect();
    assert_eq!(ids, ["EV_1", "EV_1", "EV_2"]);
    assert_eq!(attempts[0].header("idempotency-key"), attempts[1].header("idempotency-key"));
    assert_eq!(attempts[0].body, attempts[1].body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_unknown_requests_are_held_an_operator_says_what_becomes_of_them() -> Result<()> {
    let attempts = killed_while_waiting(&json!({ "on_unknown": "hold" }), true).await?;
    let ids: Vec<&str> = attempts.iter().map(|attempt| attempt.id.as_str()).collect();
    assert_eq!(ids, ["EV_1", "EV_1", "EV_2"]);
    Ok(())
}
