//! What one handler does wrong is its own trouble, and is told in full.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use event::header;
use serde_json::{Value, json};
use testkit::fixtures;

use super::site::{Site, Sums, WINDOW, body};
use crate::rig::handler;

/// One way to fail and what is told of it.
struct Failure {
    behaviour: &'static str,
    cause: &'static str,
    attempts: usize,
    error: &'static str,
    stderr: &'static str,
}

const fn failure(
    behaviour: &'static str,
    cause: &'static str,
    attempts: usize,
    error: &'static str,
    stderr: &'static str,
) -> Failure {
    Failure { behaviour, cause, attempts, error, stderr }
}

const FAILURES: [Failure; 8] = [
    failure("permanent:not ours", "permanent", 1, "not ours", ""),
    failure("trap:the roof is on fire", "trap", 2, "executed: the roof is on fire", "the roof is on fire"),
    failure("loop", "timeout", 2, "still computing when its `timeout` ran out", ""),
    failure("memory-bomb", "out_of_memory", 2, "wanted more memory than its `memory`", ""),
    failure("output-flood", "host_limit", 2, "wrote more than 1024 KiB", "flood flood"),
    failure("recurse", "trap", 2, "wasm trap", ""),
    failure("exit", "trap", 2, "exit", ""),
    failure("publish:rw.ev.0.room_started", "permanent", 1, "cannot publish: ", ""),
];

impl Failure {
    fn id(&self) -> String {
        format!("EV_{}", self.behaviour.split(':').next().unwrap_or_default())
    }

    /// Whether the dead letter, as it is shown, tells of this.
    fn check(&self, shown: &Value) -> Result<()> {
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text(shown, "cause"), self.cause, "{shown:#}");
        assert!(text(shown, "error").contains(self.error), "{shown:#}");
        assert_eq!(shown["body"], body("participant_joined", "blue", &self.id()));
        let history = shown["history"].as_array().context("a history")?;
        // A machine that stands still at the wrong moment makes one more attempt of another kind.
        let of_cause = history.iter().filter(|attempt| text(attempt, "outcome") == self.cause);
        assert_eq!(of_cause.count(), self.attempts, "{shown:#}");
        assert_eq!(shown["attempts"], history.len(), "{shown:#}");
        for (number, attempt) in history.iter().enumerate() {
            let stderr = text(attempt, "stderr");
            assert!(stderr.contains(self.stderr) && stderr.len() <= 16 << 10, "{shown:#}");
            assert_eq!((&attempt["attempt"], text(attempt, "digest").len()), (&json!(number + 1), 64), "{shown:#}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_in_every_way_leaves_dead_letters_and_its_neighbours_untouched() -> Result<()> {
    let mut behaviours = json!({ "publish_to": "out.broken" });
    for failure in &FAILURES {
        behaviours[format!("id:{}", failure.id())] = json!(failure.behaviour);
    }
    let limits = json!({
        "timeout": "1s", "memory": "16MiB", "retry": { "initial": "10ms", "crash_attempts": 2 },
        "allow": { "publish": ["out.>"] },
    });
    let of_the_dead = json!({ "publish_to": "out.undertaker", "default": "echo-event" });
    let site = Site::start(
        WINDOW,
        &[
            handler("broken", "behave", behaviours, limits)?,
            handler("neighbour", "behave", json!({ "publish_to": "out.neighbour" }), json!({}))?,
            handler("undertaker", "behave", of_the_dead, json!({ "on": ["roomwire.dead_letter"] }))?,
        ],
    )
    .await?;
    // In one room: what fails holds nothing back that follows it.
    let died: Vec<String> = FAILURES.iter().map(Failure::id).collect();
    let well: Vec<String> = died.iter().map(|id| format!("{id}-next")).collect();
    let sent: Vec<String> = died.iter().zip(&well).flat_map(|(dead, well)| [dead.clone(), well.clone()]).collect();
    site.post_all("participant_joined", "blue", &sent).await?;

    site.wait_out("out.neighbour", sent.len()).await?;
    site.wait_out("out.broken", well.len()).await?;
    site.wait_out("out.undertaker", died.len()).await?;
    let listed = site.ask(&["dlq", "list", "--handler", "broken"]).await?;
    let listed_ids: BTreeSet<&str> = listed.iter().filter_map(|letter| letter["id"].as_str()).collect();
    assert_eq!((listed.len(), listed_ids), (died.len(), died.iter().map(String::as_str).collect()));
    for failure in &FAILURES {
        failure.check(&site.ask_one(&["dlq", "show", &failure.id()]).await?)?;
    }
    let feed = site.stored("RW_DEAD").await?;
    let told: BTreeMap<&str, &str> =
        feed.iter().map(|message| (message.header(header::NATS_MSG_ID), message.header("Rw-Cause"))).collect();
    let notices: Vec<String> = died.iter().map(|id| format!("dead/broken/{id}/1")).collect();
    let causes = notices.iter().zip(&FAILURES).map(|(id, failure)| (id.as_str(), failure.cause)).collect();
    assert_eq!((feed.len(), told), (died.len(), causes));
    assert!(feed.iter().all(|message| message.subject == "rw.dead.broken.participant_joined"), "{feed:?}");

    let ended = site.end().await?;
    assert_eq!((ended.out("out.neighbour"), ended.out("out.broken")), (sent.clone(), well));
    let mut buried = Vec::new();
    for event in ended.out("out.undertaker") {
        let event: Value = serde_json::from_str(&event)?;
        assert_eq!(
            (&event["kind"], &event["attributes"]["dead-handler"]),
            (&json!("roomwire.dead_letter"), &json!("broken"))
        );
        buried.push(event["id"].as_str().context("an id")?.to_owned());
    }
    assert_eq!(buried, notices);
    assert_eq!(ended.books("broken")?, Sums { done: 8, dead: 8, ..Sums::default() });
    assert_eq!(ended.books("neighbour")?, Sums { done: 16, ..Sums::default() });
    assert_eq!(ended.books("undertaker")?, Sums { done: 8, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_of_a_handler_of_dead_letters_is_stored_and_not_published_again() -> Result<()> {
    let fails = || json!({ "default": "permanent" });
    let site = Site::start(
        WINDOW,
        &[
            handler("broken", "behave", fails(), json!({}))?,
            handler("undertaker", "behave", fails(), json!({ "on": ["roomwire.dead_letter"] }))?,
        ],
    )
    .await?;
    site.post("room_started", "blue", "EV_1").await?;
    site.wait_state("undertaker", "dead/broken/EV_1/1", "dead").await?;
    let letter = site.ask_one(&["dlq", "list", "--handler", "undertaker"]).await?;
    assert_eq!((&letter["id"], &letter["kind"]), (&json!("dead/broken/EV_1/1"), &json!("roomwire.dead_letter")));
    assert_eq!(site.stored("RW_DEAD").await?.len(), 1);
    let ended = site.end().await?;
    assert_eq!(ended.books("undertaker")?, Sums { dead: 1, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_handler_whose_plugin_is_missing_wait_in_the_stream_and_its_neighbour_goes_on() -> Result<()> {
    let late = handler("late", "behave", json!({ "publish_to": "out.late" }), json!({ "plugin": "./late.wasm" }))?;
    let neighbour = handler("neighbour", "behave", json!({ "publish_to": "out.neighbour" }), json!({}))?;
    let site = Site::start(WINDOW, &[late, neighbour]).await?;
    site.wait_activations("late", "refused", 1.0).await?;
    site.post_all("room_started", "blue", &["EV_1", "EV_2"]).await?;
    site.wait_out("out.neighbour", 2).await?;
    std::fs::copy(fixtures::plugin("behave")?, site.path("late.wasm"))?;
    site.wait_out("out.late", 2).await?;
    let ended = site.end().await?;
    assert_eq!((ended.out("out.late"), ended.out("out.neighbour").len()), (vec!["EV_1".into(), "EV_2".into()], 2));
    Ok(())
}
