//! Everything at once: three runners, a receiver and their servers are killed, stopped and cut off from each other while
//! rooms are sent; then every source of truth is read, and a judge says whether the promises were kept.
//!
//! `make chaos` runs it at full size; `ROOMWIRE_CHAOS_SEED`, `_ROUNDS` and `_EVENTS` say which one and how large. A seed
//! decides what is struck when, and which events fail how; what the machine makes of it differs a little each time.

mod facts;
mod judge;
mod plan;
mod site;
mod traffic;
mod truth;
mod woken;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::rig::handler;
use facts::{Facts, Handled, Mood};
use futures_util::future::try_join_all;
use site::Site;
use traffic::Traffic;

/// The deadline of the handler that minds moods.
const TIMEOUT: &str = "1s";

/// How long a round's events are let out over: longer than most strikes.
const ROUND: Duration = Duration::from_secs(7);

/// How large it is.
struct Size {
    seed: u64,
    rounds: usize,
    events: usize,
    /// The longest strike.
    longest: Duration,
}

impl Size {
    /// What the environment says; else a small one that is the same each time.
    fn read() -> Result<Self> {
        let number = |name: &str| match std::env::var(name) {
            Ok(text) => text.parse::<u64>().map(Some).with_context(|| format!("{name} is {text:?}, not a number")),
            Err(_) => Ok(None),
        };
        let seed = number("ROOMWIRE_CHAOS_SEED")?.unwrap_or(1);
        let rounds = usize::try_from(number("ROOMWIRE_CHAOS_ROUNDS")?.unwrap_or(3))?;
        let events = usize::try_from(number("ROOMWIRE_CHAOS_EVENTS")?.unwrap_or(600))?;
        // Few rounds are to be over soon.
        let longest = Duration::from_secs(if rounds > 10 { 60 } else { 8 });
        Ok(Self { seed, rounds, events, longest })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_paused_or_cut_off_each_event_is_settled_in_order_and_published_once() -> Result<()> {
    let size = Size::read()?;
    let Size { seed, rounds, events, .. } = size;
    let told = format!("ROOMWIRE_CHAOS_SEED={seed} ROOMWIRE_CHAOS_ROUNDS={rounds} ROOMWIRE_CHAOS_EVENTS={events}");
    eprintln!("chaos: {told}");
    Box::pin(run(&size)).await.with_context(|| format!("run it again with {told}"))
}

async fn run(size: &Size) -> Result<()> {
    let max_bytes = format!("{}MiB", 64 + size.events / 250);
    let site = Site::start(&handlers()?, &max_bytes).await?;
    let rooms = (size.events / 25).clamp(24, 2_000);
    let mut traffic = Traffic::start(&site.webhook(), size.seed, size.events, rooms)?;
    let each = size.events.div_ceil(size.rounds.max(1));
    for (number, strikes) in plan::plan(size.seed, size.rounds, size.longest).iter().enumerate() {
        eprintln!("  round {} of {}", number + 1, size.rounds);
        // Nobody is struck before there is something to lose.
        let over = strikes.iter().map(|strike| strike.begins + strike.lasts).fold(ROUND, Duration::max);
        let strikes = try_join_all(strikes.iter().map(|strike| site.strike(strike)));
        let ((), struck) = tokio::join!(traffic.let_out(each, over), strikes);
        struck?;
    }
    let (sent, rooms) = traffic.finish().await?;
    site.settle().await?;
    let slept = site.stop().await?;
    let mut facts = Facts { sent, rooms, slept, handlers: expected(), ..Facts::default() };
    truth::read(&site, &mut facts).await?;
    tell(&facts);
    let complaints = judge::judge(&facts).words();
    ensure!(complaints.is_empty(), "broken promises:\n{complaints}");
    Ok(())
}

fn tell(facts: &Facts) {
    let accepted = facts.sent.values().filter(|sent| sent.accepted).count();
    let (sent, stored) = (facts.sent.len(), facts.stored.len());
    let taken: usize = facts.slept.iter().map(|slept| slept.taken.len()).sum();
    let failed: usize = facts.handlers.iter().map(|handled| handled.failed.len()).sum();
    let dead: usize = facts.handlers.iter().map(|handled| handled.letters.len()).sum();
    eprintln!(
        "  {sent} sent, {accepted} accepted, {stored} stored, {failed} attempts failed, {dead} dead letters; \
         {taken} shards taken from runners that slept"
    );
}

/// The handlers as they are configured.
fn handlers() -> Result<Vec<Value>> {
    let of = |mood: Mood, behaviour: &str| (format!("participant:{}", mood.name()), behaviour.to_owned());
    let behaviours = |name: &str, default: &str, moods: &[(Mood, &str)]| {
        let own = [("publish_to".to_owned(), format!("out.{name}")), ("default".to_owned(), default.to_owned())];
        own.into_iter().chain(moods.iter().map(|(mood, behaviour)| of(*mood, behaviour))).collect::<Value>()
    };
    let moods = [
        (Mood::Slow, "sleep:50"),
        (Mood::Retry, "retry-until:3"),
        (Mood::Trap, "trap-until:2"),
        (Mood::Hang, "sleep-until:2"),
        (Mood::Skip, "skip"),
        (Mood::Poison, "permanent"),
        (Mood::Loop, "loop"),
    ];
    let quick = json!({ "initial": "50ms", "max": "500ms" });
    // So long that the room is parked.
    let slow = json!({ "initial": "6s", "max": "6s", "jitter": 0 });
    Ok(vec![
        handler("busy", "behave", behaviours("busy", "sleep:10", &[]), json!({}))?,
        handler("moody", "behave", behaviours("moody", "ok", &moods), json!({ "timeout": TIMEOUT, "retry": quick }))?,
        handler(
            "patient",
            "behave",
            behaviours("patient", "ok", &[(Mood::Trap, "retry-until:2")]),
            json!({ "retry": slow }),
        )?,
        handler(
            "loose",
            "behave",
            behaviours("loose", "ok", &[(Mood::Retry, "retry-until:3")]),
            json!({ "order": "none", "on": ["track_published", "participant_left"], "retry": quick }),
        )?,
        handler(
            "counter",
            "behave",
            behaviours("counter", "keys:usage add n 1", &[]),
            json!({ "allow": { "publish": ["out.>"], "keyvalue": ["usage"] } }),
        )?,
    ])
}

/// What the judge is to know of them.
fn expected() -> Vec<Handled> {
    let handled = |name: &str| Handled {
        name: name.to_owned(),
        ordered: true,
        moody: false,
        takes: Vec::new(),
        books: Vec::new(),
        ledger: Vec::new(),
        published: Vec::new(),
        failed: Vec::new(),
        letters: Vec::new(),
        feed: Vec::new(),
        unsent: 0,
        counters: None,
    };
    let loose = Handled { ordered: false, takes: vec!["track_published", "participant_left"], ..handled("loose") };
    let counter = Handled { counters: Some(HashMap::new()), ..handled("counter") };
    vec![handled("busy"), Handled { moody: true, ..handled("moody") }, handled("patient"), loose, counter]
}
