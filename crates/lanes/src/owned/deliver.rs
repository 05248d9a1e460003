//! What arrives: deliveries, look-ups, and the word that nothing more is there.

use std::sync::Arc;

use foldhash::HashMap;

use super::commit::{Count, Counted, Fate, Pending};
use super::{Core, Owned};
use crate::lane::{Failed, Item, Step};
use crate::retry::Conflicts;
use crate::{AttemptState, Change, Command, Delivery, Identity, Known, Millis, Order, Origin, Seq, Settled, Verdict};

/// More ids than this are thinned out: an anchor need not be the very last event.
const IDS: usize = 8_192;

/// A chunk that is being looked up.
#[derive(Debug)]
pub(super) struct Asked<E> {
    lookup: u64,
    events: Vec<Fresh<E>>,
}

/// An event that is being looked up.
#[derive(Debug)]
struct Fresh<E> {
    seq: Seq,
    identity: Identity,
    key: Arc<str>,
    bytes: u64,
    filtered: bool,
    event: E,
}

impl<E: Clone, R: Clone> Owned<E, R> {
    pub(crate) fn delivered(&mut self, core: &mut Core<E, R>, incarnation: u32, chunk: Vec<Delivery<E>>) {
        if self.is_stopping(core) || incarnation != self.incarnation || chunk.is_empty() {
            return;
        }
        self.astray = 0;
        let mut events = Vec::new();
        for delivery in chunk {
            if delivery.consumer_seq != self.consumer_seq.saturating_add(1) {
                self.consume(core);
                break;
            }
            self.consumer_seq = delivery.consumer_seq;
            events.extend(self.arrived(core, delivery));
        }
        if events.is_empty() {
            return;
        }
        let lookup = core.number();
        let ask = events.iter().map(|fresh| (fresh.seq, fresh.identity.clone())).collect();
        core.out.push(Command::LookUp { shard: self.shard, lookup, events: ask });
        self.asked.push_back(Asked { lookup, events });
    }

    /// Takes one message; answers the event if the ledger must be asked about it.
    fn arrived(&mut self, core: &Core<E, R>, delivery: Delivery<E>) -> Option<Fresh<E>> {
        let seq = delivery.seq;
        if seq <= self.delivered {
            return None;
        }
        self.pass(seq - 1);
        self.delivered = seq;
        self.seen = self.seen.max(seq);
        if seq > self.committed.floor {
            self.note(seq, delivery.identity.id.clone());
        }
        if self.committed.covers(seq) {
            return None;
        }
        if delivery.verdict == Verdict::NotSubscribed {
            self.count(seq, seq, Counted::Filtered);
            return None;
        }
        if self.live.contains_key(&delivery.identity) {
            self.count(seq, seq, Counted::Duplicate);
            return None;
        }
        self.live.insert(delivery.identity.clone(), seq);
        self.remember(delivery.bytes);
        let key = match core.rules.order {
            Order::Room => delivery.key,
            Order::None => delivery.identity.id.clone(),
        };
        let filtered = delivery.verdict == Verdict::Filtered;
        let Delivery { identity, bytes, event, .. } = delivery;
        Some(Fresh { seq, identity, key, bytes, filtered, event })
    }

    /// What was not delivered up to here never will be: not subscribed to, or deleted.
    fn pass(&mut self, last: Seq) {
        let first = self.delivered.saturating_add(1);
        if first <= last && self.committed.missing(first, last) > 0 {
            self.count(first, last, Counted::Filtered);
        }
        self.delivered = self.delivered.max(last);
    }

    fn count(&mut self, low: Seq, high: Seq, kind: Counted) {
        if let Some(last) = self.counted.last_mut()
            && last.kind == kind
            && last.high.checked_add(1) == Some(low)
        {
            last.high = high;
            return;
        }
        self.counted.push(Count { low, high, kind });
    }

    fn note(&mut self, seq: Seq, id: Arc<str>) {
        self.ids.insert(seq, id);
        if self.ids.len() > IDS {
            let mut keep = true;
            self.ids.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }

    pub(crate) fn looked_up(&mut self, core: &mut Core<E, R>, lookup: u64, known: Vec<Known>) {
        if self.asked.front().is_none_or(|asked| asked.lookup != lookup) {
            return;
        }
        let Some(asked) = self.asked.pop_front() else { return };
        let known: HashMap<Seq, Seq> = known.into_iter().map(|known| (known.asked, known.seq)).collect();
        let mut touched: Vec<Arc<str>> = Vec::new();
        for fresh in asked.events {
            if self.is_stopping(core) {
                self.live.remove(&fresh.identity);
                self.forget(fresh.bytes);
            } else if known.contains_key(&fresh.seq) || self.was_dead(&fresh) {
                // Another sequence has the identity; or this one has, by a commit whose progress is not ours any more.
                self.live.remove(&fresh.identity);
                self.forget(fresh.bytes);
                self.count(fresh.seq, fresh.seq, Counted::Duplicate);
            } else if fresh.filtered {
                self.filter(fresh);
            } else {
                if touched.last() != Some(&fresh.key) {
                    touched.push(fresh.key.clone());
                }
                self.enter(fresh, core.now);
            }
        }
        for key in touched {
            self.tend(core, &key);
        }
    }

    /// Has an operator seen it dead, though nothing of ours has settled it? Then somebody else owns the shard by now.
    fn was_dead(&self, fresh: &Fresh<E>) -> bool {
        let lane = self.lanes.get(&fresh.key);
        lane.is_some_and(|lane| lane.redriving.contains(&fresh.seq) || lane.redriven.contains(&fresh.seq))
    }

    /// Its ledger row stands by itself: what never runs needs no lane.
    fn filter(&mut self, fresh: Fresh<E>) {
        self.pending.push(Pending {
            seq: fresh.seq,
            identity: fresh.identity,
            key: fresh.key,
            origin: Origin::Stream,
            change: Change::Settled { state: Settled::Filtered, attempt: 0, report: None },
            event: fresh.event,
            before: AttemptState::default(),
            bytes: fresh.bytes,
            in_lane: false,
            fate: Fate::Open,
            holds: false,
        });
    }

    fn enter(&mut self, fresh: Fresh<E>, now: Millis) {
        let attempts = self.attempts.remove(&fresh.seq).unwrap_or_default();
        let lane = self.lanes.entry(fresh.key.clone()).or_default();
        let follows = lane.goes_to_store();
        let mut item = Item {
            seq: fresh.seq,
            identity: fresh.identity,
            bytes: fresh.bytes,
            since: now,
            attempts,
            rests_until: 0,
            redriven: false,
            event: fresh.event,
            step: Step::Waiting,
            failed: Failed::Recorded,
            conflicts: Conflicts::default(),
        };
        if follows {
            item.step = Step::Storing;
            self.pending.push(Pending::of(
                &item,
                &fresh.key,
                Origin::Stream,
                Change::Parked { attempts, redriven: false, report: None },
            ));
        }
        lane.memory.push_back(item);
    }

    pub(crate) fn quiet(&mut self, core: &mut Core<E, R>, incarnation: u32, last: Seq, delivered: u64, pending: u64) {
        if self.is_stopping(core) || incarnation != self.incarnation {
            return;
        }
        self.seen = self.seen.max(last);
        if delivered == self.consumer_seq {
            self.astray = 0;
            if pending == 0 {
                self.pass(last);
            }
            return;
        }
        self.astray += 1;
        if self.astray >= 2 {
            self.consume(core);
        }
    }

    pub(crate) fn reconnected(&mut self, core: &mut Core<E, R>) {
        if !self.is_stopping(core) {
            self.consume(core);
        }
    }
}
