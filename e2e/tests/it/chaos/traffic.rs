//! What is sent: rooms side by side by LiveKit's rules, with repeats of what was sent before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use livekit::generate::{self, Names};
use livekit::notifier::{Fate, Notifier, Rules};
use livekit::sender::Sender;
use livekit::token::Secret;
use testkit::webhook::{KEY, SECRET};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::facts::{Mood, Sent, room_name};

/// The types of the events, in turn.
pub(super) const KINDS: [&str; 4] = ["participant_joined", "track_published", "track_unpublished", "participant_left"];

/// One of so many events is followed by a repeat of it or of one before it.
const REPEATED: usize = 20;

/// The expensive moods come so often in all, however many events there are: each costs a second.
const EXPENSIVE: usize = 30;

/// Everything that is sent, and what became of it.
pub(super) struct Traffic {
    gate: Arc<Semaphore>,
    let_out: usize,
    events: usize,
    log: Arc<Mutex<Log>>,
    rooms: JoinSet<Result<()>>,
}

/// Events by id, and the ids of each room in the order in which they were sent first.
#[derive(Default)]
struct Log {
    sent: HashMap<String, Sent>,
    rooms: BTreeMap<usize, Vec<String>>,
}

impl Traffic {
    /// So many events in so many rooms, which wait to be let out.
    pub(super) fn start(url: &str, seed: u64, events: usize, rooms: usize) -> Result<Self> {
        let secret = Secret::new(SECRET).context("not a secret")?;
        let notifier = Arc::new(Notifier::new(Sender::new(url, KEY, secret)?, Rules::protocol_1_54()));
        let mut traffic =
            Self { gate: Arc::new(Semaphore::new(0)), let_out: 0, events, log: Arc::default(), rooms: JoinSet::new() };
        for room in 0..rooms {
            let room = Room {
                number: room,
                // As many as fall to it.
                events: events / rooms + usize::from(room < events % rooms),
                rng: Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(room as u64)),
                rarely: (events / EXPENSIVE).max(1),
                notifier: notifier.clone(),
                gate: traffic.gate.clone(),
                log: traffic.log.clone(),
            };
            traffic.rooms.spawn(room.run());
        }
        Ok(traffic)
    }

    /// Lets so many events out, evenly over this time.
    pub(super) async fn let_out(&mut self, count: usize, over: Duration) {
        let count = count.min(self.events - self.let_out);
        self.let_out += count;
        let mut turns = tokio::time::interval(over / 100);
        let mut out = 0;
        for turn in 1..=100 {
            turns.tick().await;
            let due = count * turn / 100;
            self.gate.add_permits(due - out);
            out = due;
        }
    }

    /// Lets the rest out, and gives all that was sent: by id, and the ids of each room.
    pub(super) async fn finish(mut self) -> Result<(HashMap<String, Sent>, Vec<Vec<String>>)> {
        self.gate.add_permits(self.events - self.let_out);
        while let Some(room) = self.rooms.join_next().await {
            room.context("a room's task ended badly")??;
        }
        let log = std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((log.sent, log.rooms.into_values().collect()))
    }
}

/// One room: its events one after another.
struct Room {
    number: usize,
    events: usize,
    rng: Rng,
    rarely: usize,
    notifier: Arc<Notifier<Sender>>,
    gate: Arc<Semaphore>,
    log: Arc<Mutex<Log>>,
}

impl Room {
    async fn run(mut self) -> Result<()> {
        let mut bodies: Vec<(String, String)> = Vec::new();
        for kind in KINDS.into_iter().cycle().take(self.events) {
            self.gate.acquire().await.context("the traffic ended")?.forget();
            let mood = self.mood();
            let body = generate::event(kind, &Names::new(&room_name(self.number), mood.name()));
            let id = livekit::body::inspect(body.as_bytes()).context("not an event")?.id.to_string();
            self.log(|log, room| {
                log.sent.insert(id.clone(), Sent { room, kind, mood, accepted: false, in_turn: false, refused: None });
                log.rooms.entry(room).or_default().push(id.clone());
            });
            let accepted = self.send(&id, &body).await?;
            self.log(|log, _| {
                if let Some(sent) = log.sent.get_mut(&id) {
                    sent.in_turn = accepted;
                }
            });
            bodies.push((id, body));
            if self.rng.usize(..REPEATED) == 0 {
                let from = bodies.len().saturating_sub(5);
                if let Some((id, body)) = bodies.get(self.rng.usize(from..bodies.len())).cloned() {
                    self.send(&id, &body).await?;
                }
            }
            // What is older is not repeated.
            if bodies.len() > 100 {
                bodies.drain(..90);
            }
        }
        Ok(())
    }

    /// Sends it as often as LiveKit does; answers whether it was accepted.
    async fn send(&self, id: &str, body: &str) -> Result<bool> {
        let delivery = self.notifier.notify(body.to_owned()).await.context("the sender ended")?;
        let refused = match delivery.fate {
            Fate::Sent { status } if !delivery.accepted() => Some(status),
            _ => None,
        };
        self.log(|log, _| {
            if let Some(sent) = log.sent.get_mut(id) {
                sent.accepted |= delivery.accepted();
                sent.refused = sent.refused.or(refused);
            }
        });
        Ok(delivery.accepted())
    }

    fn log(&self, note: impl FnOnce(&mut Log, usize)) {
        note(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner), self.number);
    }

    fn mood(&mut self) -> Mood {
        if self.rng.usize(..self.rarely) == 0 {
            return if self.rng.bool() { Mood::Hang } else { Mood::Loop };
        }
        match self.rng.u32(..100) {
            0..6 => Mood::Retry,
            6..9 => Mood::Trap,
            9..12 => Mood::Skip,
            12..14 => Mood::Poison,
            14..20 => Mood::Slow,
            _ => Mood::Calm,
        }
    }
}
