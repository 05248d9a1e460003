//! Roomwire's simulated sender does what LiveKit's own does: the same attempts, at the same distances, for the same answers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use livekit::recording::{Recorded, parse};
use serde_json::Value;
use testkit::fixtures;

use super::rooms::Event;
use super::senders::{Run, Step, both};
use crate::rig::{Attempt, Reply, Script};

/// What a livekit-server did when it was answered 503, 400, 429, not at all, with a body, and 200.
const RECORDING: &str = "livekit-1.11.0/retries.jsonl";

/// The waits between the attempts of an event, in seconds.
const WAITS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// By how much waits may differ.
const TOLERANCE: f64 = 0.2;

/// The recorded run: the events in the order in which they first came, and how each attempt was answered.
struct Played {
    events: Vec<Event>,
    script: Script,
    /// The attempts of each room, by id, as livekit-server made them.
    attempts: BTreeMap<String, Vec<String>>,
}

fn recorded() -> Result<Played> {
    let text = fixtures::text(RECORDING)?;
    let answers = text.lines().map(answer).collect::<Result<Vec<_>>>()?;
    let mut played = Played { events: Vec::new(), script: Script::new(), attempts: BTreeMap::new() };
    for (Recorded { body, .. }, reply) in parse(&text)?.into_iter().zip(answers) {
        let facts = livekit::body::inspect(body.as_bytes())?;
        let (id, lane) = (facts.id.to_string(), facts.key.to_string());
        played.attempts.entry(lane.clone()).or_default().push(id.clone());
        let replies = played.script.entry(id.clone()).or_default();
        if replies.is_empty() {
            played.events.push(Event { id, kind: facts.kind, lane, body, copied: false });
        }
        replies.push_back(reply);
    }
    Ok(played)
}

/// How the recorder answered the request of this line.
fn answer(line: &str) -> Result<Reply> {
    let line: Value = serde_json::from_str(line)?;
    match &line["answered"] {
        Value::Number(status) => Ok(Reply::Status(status.to_string().parse()?)),
        Value::String(words) if words == "200 with a 2-byte body" => Ok(Reply::Body),
        Value::String(words) if words == "connection closed without an answer" => Ok(Reply::Close),
        other => anyhow::bail!("the recording has an answer that is not known here: {other}"),
    }
}

/// What holds for the attempts of either sender.
fn check(run: &Run) -> Result<()> {
    for (id, attempts) in run.by_event() {
        let first = attempts.first().context("no attempts")?;
        ensure!(!first.header("authorization").contains(' '), "{id}: a token with a word before it");
        for again in &attempts {
            ensure!(again.header("authorization") == first.header("authorization"), "{id}: another token");
            ensure!(again.body == first.body, "{id}: another body");
        }
    }
    let attempts = &run.attempts;
    for (place, attempt) in attempts.iter().enumerate() {
        let later = attempts.iter().skip(place + 1).any(|later| later.connection == attempt.connection);
        ensure!(!later || attempt.reply.keeps_the_connection(), "a connection was used after {attempt:?}");
    }
    let connections: BTreeSet<usize> = attempts.iter().map(|attempt| attempt.connection).collect();
    let costly = attempts.iter().filter(|attempt| !attempt.reply.keeps_the_connection()).count();
    // Each of the others could have had a connection of its own only if none were kept.
    ensure!(connections.len() < attempts.len() && connections.len() >= costly, "{} connections", connections.len());
    Ok(())
}

/// The waits after each of five attempts: the shortest of all events', because what the machine does besides can only
/// lengthen them.
fn waits(run: &Run, events: &[Event]) -> [f64; 4] {
    let mut shortest = [f64::INFINITY; 4];
    for event in events {
        for (shortest, wait) in shortest.iter_mut().zip(run.waits(&event.id)) {
            *shortest = shortest.min(wait);
        }
    }
    shortest
}

/// Whether two waits are the same within what is allowed.
pub(super) fn agree(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.min(b)
}

#[tokio::test]
async fn for_the_same_answers_the_simulator_makes_the_same_attempts_as_livekits_notifier() -> Result<()> {
    let played = recorded()?;
    let steps: Vec<Step> = played.events.iter().cloned().map(Step::Hand).collect();
    let [simulated, real] = both(&played.script, &steps).await?;

    assert_eq!(real.by_room(), played.attempts, "the notifier does not do what livekit-server did");
    assert_eq!(simulated.by_room(), real.by_room());
    assert_eq!(simulated.ends, real.ends);
    check(&real).context("the notifier")?;
    check(&simulated).context("the simulator")?;

    let (of_simulated, of_real) = (waits(&simulated, &played.events), waits(&real, &played.events));
    for ((simulated, real), wanted) in of_simulated.into_iter().zip(of_real).zip(WAITS) {
        assert!(
            agree(simulated, real) && agree(simulated, wanted) && agree(real, wanted),
            "waits of {of_simulated:?} and {of_real:?} s"
        );
    }

    for event in &played.events {
        let find = |run: &Run| run.attempts.iter().find(|attempt| attempt.id == event.id).cloned();
        let (simulated, real) = (find(&simulated).context("not tried")?, find(&real).context("not tried")?);
        let json = |body: &str| serde_json::from_str::<Value>(body);
        assert_eq!(json(&simulated.body)?, json(&real.body)?);
        let names = |attempt: &Attempt| attempt.headers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
        assert_eq!(names(&simulated), names(&real));
        for name in ["user-agent", "content-type", "accept-encoding"] {
            assert_eq!(simulated.header(name), real.header(name), "{name}");
        }
    }
    Ok(())
}
