//! Roomwire's simulated sender does what LiveKit's own does: the same attempts, at the same distances, for the same answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, ensure};
use livekit::notifier::{Notifier as Simulator, Rules};
use livekit::recording::{Recorded, parse};
use livekit::sender::Sender;
use livekit::token::Secret;
use serde_json::Value;
use testkit::fixtures;
use testkit::webhook::{KEY, SECRET};

use super::notifier::{Notifier, Outcome, Report};
use super::recorder::{Attempt, Recorder, Reply, Script};
use super::rooms::Event;

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

async fn simulator(played: &Played) -> Result<Vec<Attempt>> {
    let recorder = Recorder::start(played.script.clone())?;
    let sender = Sender::new(&recorder.url(), KEY, Secret::new(SECRET)?)?;
    let simulator = Simulator::new(sender, Rules::protocol_1_54());
    let ends: Vec<_> = played.events.iter().map(|event| simulator.notify(event.body.clone())).collect();
    for end in ends {
        end.await.context("the simulator ended")?;
    }
    Ok(recorder.attempts())
}

async fn notifier(played: &Played) -> Result<Vec<Attempt>> {
    let recorder = Recorder::start(played.script.clone())?;
    let mut notifier = Notifier::start(&recorder.url())?;
    for event in &played.events {
        notifier.notify(event).await?;
    }
    let reports = notifier.finish().await?;
    ensure!(reports.len() == played.events.len(), "{reports:?}");
    for Report { id, outcome, error, .. } in reports {
        // What gets five answers that count as none is given up.
        let wanted = if played.script.get(&id).is_some_and(|replies| replies.len() == 5) {
            Outcome::Failed
        } else {
            Outcome::Sent
        };
        ensure!(outcome == wanted, "{id}: {outcome:?} {error}");
        ensure!(outcome == Outcome::Sent || error.contains("giving up after 5 attempt(s)"), "{error}");
    }
    Ok(recorder.attempts())
}

/// The ids of each room's attempts, in order.
fn by_room(attempts: &[Attempt]) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attempt in attempts {
        rooms.entry(attempt.room.clone()).or_default().push(attempt.id.clone());
    }
    rooms
}

fn by_event(attempts: &[Attempt]) -> HashMap<&str, Vec<&Attempt>> {
    let mut events: HashMap<&str, Vec<&Attempt>> = HashMap::new();
    for attempt in attempts {
        events.entry(&attempt.id).or_default().push(attempt);
    }
    events
}

/// What holds for the attempts of either sender.
fn check(attempts: &[Attempt]) -> Result<()> {
    for (id, attempts) in by_event(attempts) {
        let first = attempts.first().context("no attempts")?;
        ensure!(!first.header("authorization").contains(' '), "{id}: a token with a word before it");
        for again in &attempts {
            ensure!(again.header("authorization") == first.header("authorization"), "{id}: another token");
            ensure!(again.body == first.body, "{id}: another body");
        }
    }
    for (place, attempt) in attempts.iter().enumerate() {
        let later = attempts.iter().skip(place + 1).any(|later| later.connection == attempt.connection);
        ensure!(!later || matches!(attempt.reply, Reply::Status(_)), "a connection was used after {attempt:?}");
    }
    let connections: BTreeSet<usize> = attempts.iter().map(|attempt| attempt.connection).collect();
    let costly = attempts.iter().filter(|attempt| !matches!(attempt.reply, Reply::Status(_))).count();
    // Each of the others could have had a connection of its own only if none were kept.
    ensure!(connections.len() < attempts.len() && connections.len() >= costly, "{} connections", connections.len());
    Ok(())
}

/// From the end of each attempt to the beginning of the next one: the shortest of all events', because what the machine
/// does besides can only lengthen them.
fn waits(attempts: &[Attempt]) -> [f64; 4] {
    let mut waits = [f64::INFINITY; 4];
    for attempts in by_event(attempts).values() {
        for (wait, pair) in waits.iter_mut().zip(attempts.windows(2)) {
            if let [before, after] = pair {
                *wait = wait.min(after.began.saturating_duration_since(before.ended).as_secs_f64());
            }
        }
    }
    waits
}

fn agree(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.min(b)
}

#[tokio::test]
async fn for_the_same_answers_the_simulator_makes_the_same_attempts_as_livekits_notifier() -> Result<()> {
    let played = recorded()?;
    let (simulated, real) = tokio::join!(simulator(&played), notifier(&played));
    let (simulated, real) = (simulated?, real?);

    assert_eq!(by_room(&real), played.attempts, "the notifier does not do what livekit-server did");
    assert_eq!(by_room(&simulated), by_room(&real));
    check(&real).context("the notifier")?;
    check(&simulated).context("the simulator")?;

    let (of_simulated, of_real) = (waits(&simulated), waits(&real));
    for ((simulated, real), wanted) in of_simulated.into_iter().zip(of_real).zip(WAITS) {
        assert!(
            agree(simulated, real) && agree(simulated, wanted) && agree(real, wanted),
            "waits of {of_simulated:?} and {of_real:?} s"
        );
    }

    for event in &played.events {
        let find = |attempts: &[Attempt]| attempts.iter().find(|attempt| attempt.id == event.id).cloned();
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
