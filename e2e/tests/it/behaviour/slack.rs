//! What `slack` tells of a dead letter, and that the URL it tells it to stays a secret.

use std::collections::{HashMap, VecDeque};
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::http::Http;
use testkit::{wait_until, webhook};

use super::site::body;
use crate::rig::{LONG, Recorder, Reply, Rig, handler};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_told_once_slack_takes_it_and_its_url_is_shown_to_nobody() -> Result<()> {
    // Slack's messages have no event's id. The first one is refused, so that there is something to show.
    let slack = Recorder::start(HashMap::from([(String::new(), VecDeque::from([Reply::Status(403); 3]))]))?;
    let origin = slack.url().trim_end_matches("/livekit").to_owned();
    let url = format!("{origin}/services/T00000000/B00000000/secret-of-the-channel");
    let alarm = json!({
        "on": ["roomwire.dead_letter"], "secrets": ["SLACK_URL"], "allow": { "http": [origin] },
    });
    let handlers = [
        handler("failing", "behave", json!({ "room:demo": "permanent:no <plan>" }), json!({}))?,
        handler("alarm", "slack", json!({ "prefix": "staging:" }), alarm)?,
    ];
    let rig = Rig::new(json!({ "handlers": handlers, "secrets": { "SLACK_URL": { "file": "slack.txt" } } }))?;
    fs::write(rig.path("slack.txt"), &url)?;
    let up = rig.up("127.0.0.1:0").await?;
    let sent = webhook::deliver(&Http::new(), up.webhook(), &body("room_started", "demo", "EV_1")).await?;
    ensure!(sent.status == 200, "answered {}", sent.status);

    let nats = up.nats().to_owned();
    let listed = async || rig.roomwire_json(&["outbox", "list", "--handler", "alarm", "--nats", &nats]).await;
    let refused = async || {
        let rows = listed().await.unwrap_or_default();
        rows.first().is_some_and(|row| row["error"].as_str().is_some_and(|error| error.contains("403")))
    };
    wait_until(LONG, "the refusal to be noted", refused).await.with_context(|| up.process.log())?;
    let shown = listed().await?;
    if let Some(row) = shown.first() {
        assert_eq!(row["to"], "POST [secret SLACK_URL]", "{row}");
        assert!(!row.to_string().contains("secret-of-the-channel"), "{row}");
    }
    let taken = || async { slack.attempts().iter().any(|attempt| attempt.reply == Reply::Status(200)) };
    wait_until(LONG, "Slack to take it", taken).await.with_context(|| up.process.log())?;
    let attempts = slack.attempts();
    assert_eq!(attempts.len(), 4, "told once");
    let message: Value = serde_json::from_str(&attempts[3].body)?;
    assert_eq!(
        message["text"],
        "staging: *failing* gave up `room_started` of room `demo` after 1 attempt (permanent)\n```no &lt;plan&gt;```\n\
         `roomwire dlq show EV_1`"
    );
    up.process.sigint()?;
    ensure!(up.process.wait_exit(LONG).await?.success(), "{}", up.process.log());
    assert!(!up.process.log().contains("secret-of-the-channel"), "{}", up.process.log());
    assert!(!up.process.log().contains("connection to NATS lost"), "{}", up.process.log());
    Ok(())
}
