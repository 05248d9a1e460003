//! Whether the promises were kept, from nothing but the facts.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::facts::{Facts, Handled, State, room_name};

/// So many complaints of one kind are told in full.
const TOLD: usize = 5;

/// What a death of the process costs an event that did nothing: it is allowed, because processes are killed here.
const PROCESS_DIED: &str = "process_died";

/// Broken promises, by rule.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Complaints {
    fn add(&mut self, rule: &'static str, what: String) {
        let (count, told) = self.0.entry(rule).or_default();
        *count += 1;
        if told.len() < TOLD {
            told.push(what);
        }
    }

    /// The rules that were broken.
    pub(super) fn rules(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// In words; nothing where all is well.
    pub(super) fn words(&self) -> String {
        let told =
            self.0.iter().map(|(rule, (count, told))| format!("{rule}: {count} times, e.g. {}", told.join("; ")));
        told.collect::<Vec<_>>().join("\n")
    }
}

/// Where an event stands in the streams.
struct Places<'a> {
    /// The first of its sequences, by id.
    first: HashMap<&'a str, (u16, u64)>,
    /// How many messages a shard has beyond the first ones.
    again: HashMap<u16, u64>,
    /// The last sequence of a shard.
    last: HashMap<u16, u64>,
}

/// Looks at everything.
pub(super) fn judge(facts: &Facts) -> Complaints {
    let mut complaints = Complaints::default();
    let places = places(facts);
    stored(facts, &places, &mut complaints);
    for handled in &facts.handlers {
        settled(facts, &places, handled, &mut complaints);
        books(&places, handled, &mut complaints);
        effects(facts, &places, handled, &mut complaints);
        attempts(facts, &places, handled, &mut complaints);
        counters(facts, handled, &mut complaints);
    }
    slept(facts, &mut complaints);
    complaints
}

fn places(facts: &Facts) -> Places<'_> {
    let mut places = Places { first: HashMap::new(), again: HashMap::new(), last: HashMap::new() };
    for stored in &facts.stored {
        let last = places.last.entry(stored.shard).or_default();
        *last = stored.seq.max(*last);
        places
            .first
            .entry(&stored.id)
            .and_modify(|_| *places.again.entry(stored.shard).or_default() += 1)
            .or_insert((stored.shard, stored.seq));
    }
    places
}

/// What was accepted is in the streams, and nothing else; the rooms are in order.
fn stored(facts: &Facts, places: &Places<'_>, complaints: &mut Complaints) {
    for (id, sent) in &facts.sent {
        if sent.accepted && !places.first.contains_key(id.as_str()) {
            complaints.add("accepted and not stored", id.clone());
        }
        if let Some(status) = sent.refused {
            complaints.add("refused", format!("{id} with {status}"));
        }
    }
    for id in places.first.keys().filter(|id| !facts.sent.contains_key(**id)) {
        complaints.add("stored and never sent", (*id).to_owned());
    }
    for (room, ids) in facts.rooms.iter().enumerate() {
        // An event that its sender gave up may still arrive, behind others, and so may its repeat.
        let in_turn = ids.iter().filter(|id| facts.sent.get(*id).is_some_and(|sent| sent.in_turn));
        let found: Vec<(u64, &str)> =
            in_turn.filter_map(|id| Some((places.first.get(id.as_str())?.1, id.as_str()))).collect();
        for pair in found.windows(2) {
            if let [(before, one), (after, other)] = pair
                && before > after
            {
                complaints
                    .add("stored in another order", format!("room {room}: {one} at {before}, {other} at {after}"));
            }
        }
    }
}

/// Each event in the streams has one end at each handler, and the right one.
fn settled(facts: &Facts, places: &Places<'_>, handled: &Handled, complaints: &mut Complaints) {
    let name = &handled.name;
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for row in &handled.ledger {
        *ends.entry(&row.id).or_default() += 1;
        let Some(sent) = facts.sent.get(&row.id) else {
            complaints.add("settled and never sent", format!("{name}: {}", row.id));
            continue;
        };
        if places.first.get(row.id.as_str()) != Some(&(row.shard, row.seq)) {
            complaints.add("settled at a repeat", format!("{name}: {} at {} of {}", row.id, row.seq, row.shard));
        }
        let due = if handled.moody { sent.mood.end() } else { State::Done };
        let killed = row.state == State::Dead && row.cause.as_deref() == Some(PROCESS_DIED);
        if row.state != due && !killed {
            let (mood, state, cause) = (sent.mood, row.state, &row.cause);
            complaints.add("another end", format!("{name}: {} ({mood:?}) is {state:?} {cause:?}", row.id));
        }
        if !handled.wants(sent.kind) {
            complaints.add("handled and not wanted", format!("{name}: {} ({})", row.id, sent.kind));
        }
    }
    for id in places.first.keys() {
        let wanted = facts.sent.get(*id).is_some_and(|sent| handled.wants(sent.kind));
        match ends.get(id).copied().unwrap_or(0) {
            0 if wanted => complaints.add("stored and not settled", format!("{name}: {id}")),
            0 | 1 => {}
            count => complaints.add("settled twice", format!("{name}: {id} {count} times")),
        }
    }
}

/// The books say what the ledger says, and every sequence has its place in them.
fn books(places: &Places<'_>, handled: &Handled, complaints: &mut Complaints) {
    let name = &handled.name;
    for (shard, last) in &places.last {
        let Some(book) = handled.books.iter().find(|book| book.shard == *shard) else {
            complaints.add("without books", format!("{name}: shard {shard}"));
            continue;
        };
        if book.unaccounted != 0 {
            complaints.add("unaccounted", format!("{name}: {book:?}"));
        }
        if book.floor != *last {
            complaints.add("floor below the end", format!("{name}: shard {shard}: {} of {last}", book.floor));
        }
        let count =
            |state| handled.ledger.iter().filter(|row| row.shard == *shard && row.state == state).count() as u64;
        let ledger = [State::Done, State::Skipped, State::Parked, State::Dead].map(count);
        if ledger != [book.done, book.skipped, book.parked, book.dead] {
            complaints.add("books unlike the ledger", format!("{name}: {book:?}, ledger {ledger:?}"));
        }
        // What is filtered by its subject has no row; its repeats are filtered too.
        let again = places.again.get(shard).copied().unwrap_or(0);
        if handled.takes.is_empty() && (book.duplicate, book.filtered) != (again, 0) {
            complaints.add("duplicates unlike the stream", format!("{name}: {book:?}, the stream repeats {again}"));
        }
    }
    if handled.unsent > 0 {
        complaints.add("unsent", format!("{name}: {}", handled.unsent));
    }
}

/// What was done is published once, nothing else is, and in the order of the rooms; so it is with dead letters.
fn effects(facts: &Facts, places: &Places<'_>, handled: &Handled, complaints: &mut Complaints) {
    let name = &handled.name;
    let ids = |state| handled.ledger.iter().filter(move |row| row.state == state).map(|row| row.id.as_str());
    once(
        name,
        ids(State::Done),
        &handled.published,
        ["not published", "published twice", "published and not done"],
        complaints,
    );
    once(name, ids(State::Dead), &handled.letters, ["no letter", "two letters", "letter and not dead"], complaints);
    once(
        name,
        ids(State::Dead),
        &handled.feed,
        ["not in the feed", "twice in the feed", "feed and not dead"],
        complaints,
    );
    if !handled.ordered {
        return;
    }
    let mut last: HashMap<usize, (u64, &str)> = HashMap::new();
    for id in &handled.published {
        let (Some(sent), Some((_, seq))) = (facts.sent.get(id), places.first.get(id.as_str())) else { continue };
        if let Some((before, other)) = last.insert(sent.room, (*seq, id))
            && before > *seq
        {
            let what = format!("{name}: room {}: {id} at {seq} after {other} at {before}", sent.room);
            complaints.add("handled in another order", what);
        }
    }
}

fn once<'a>(
    name: &str,
    due: impl Iterator<Item = &'a str>,
    found: &'a [String],
    [missing, twice, strange]: [&'static str; 3],
    complaints: &mut Complaints,
) {
    let (due, mut seen): (HashSet<&str>, HashSet<&str>) = (due.collect(), HashSet::new());
    for id in found {
        if !seen.insert(id) {
            complaints.add(twice, format!("{name}: {id}"));
        }
        if !due.contains(id.as_str()) {
            complaints.add(strange, format!("{name}: {id}"));
        }
    }
    for id in due.difference(&seen) {
        complaints.add(missing, format!("{name}: {id}"));
    }
}

/// No event of a room was tried between the attempts of another one.
fn attempts(facts: &Facts, places: &Places<'_>, handled: &Handled, complaints: &mut Complaints) {
    if !handled.ordered {
        return;
    }
    let mut rooms: HashMap<usize, Vec<(u64, u64, u64, &str)>> = HashMap::new();
    for failed in &handled.failed {
        let (Some(sent), Some((_, seq))) = (facts.sent.get(&failed.id), places.first.get(failed.id.as_str())) else {
            continue;
        };
        rooms.entry(sent.room).or_default().push((failed.started_at, *seq, failed.attempt, &failed.id));
    }
    for (room, mut tries) in rooms {
        tries.sort_unstable();
        for pair in tries.windows(2) {
            if let [(_, before, _, one), (_, after, _, other)] = pair
                && before > after
            {
                let what = format!("{}: room {room}: {other} at {after} after {one} at {before}", handled.name);
                complaints.add("tried in another order", what);
            }
        }
    }
}

/// What a handler has counted in each room is what it has done there.
fn counters(facts: &Facts, handled: &Handled, complaints: &mut Complaints) {
    let Some(counters) = &handled.counters else { return };
    let mut due: HashMap<String, u64> = HashMap::new();
    for row in handled.ledger.iter().filter(|row| row.state == State::Done) {
        if let Some(sent) = facts.sent.get(&row.id) {
            *due.entry(room_name(sent.room)).or_default() += 1;
        }
    }
    let rooms: HashSet<&String> = due.keys().chain(counters.keys()).collect();
    for room in rooms {
        let (done, counted) = (due.get(room).copied(), counters.get(room).copied());
        if done != counted {
            complaints.add("counted wrong", format!("{}: {room}: {counted:?} of {done:?}", handled.name));
        }
    }
}

/// What others took from a runner that slept has a later epoch, under which its commits are refused; and it knows.
fn slept(facts: &Facts, complaints: &mut Complaints) {
    for slept in &facts.slept {
        for (name, shard, epoch) in &slept.taken {
            let of_handler = facts.handlers.iter().find(|handled| handled.name == *name);
            let now = of_handler.and_then(|handled| handled.books.iter().find(|book| book.shard == *shard));
            if now.is_none_or(|book| book.epoch <= *epoch) {
                complaints.add("same epoch after a sleep", format!("runner {}: {name} {shard}", slept.runner));
            }
        }
        if !slept.taken.is_empty() && !slept.told {
            complaints.add("woke and did not know", format!("runner {}: {:?}", slept.runner, slept.taken));
        }
    }
}

#[cfg(test)]
mod tests;
