//! The judge finds each lie that is put into facts that are true.

use std::collections::HashMap;

use super::super::facts::{Book, Facts, Failed, Handled, Mood, Sent, Settled, Slept, State, Stored};
use super::judge;

/// Two rooms in two shards; room 0 has a repeat, a letter and an event that failed twice.
fn truth() -> Facts {
    let mut facts = Facts { rooms: vec![Vec::new(), Vec::new()], ..Facts::default() };
    for (id, room, kind, mood) in [
        ("a1", 0, "participant_joined", Mood::Calm),
        ("a2", 0, "track_published", Mood::Retry),
        ("a3", 0, "participant_left", Mood::Poison),
        ("a4", 0, "participant_joined", Mood::Skip),
        ("b1", 1, "participant_joined", Mood::Calm),
        ("b2", 1, "track_published", Mood::Calm),
    ] {
        facts.sent.insert(id.to_owned(), Sent { room, kind, mood, accepted: true, in_turn: true, refused: None });
        facts.rooms[room].push(id.to_owned());
    }
    let stored = [(0, 1, "a1"), (0, 2, "a2"), (0, 3, "a1"), (0, 4, "a3"), (0, 5, "a4"), (1, 1, "b1"), (1, 2, "b2")];
    facts.stored = stored.map(|(shard, seq, id)| Stored { shard, seq, id: id.to_owned() }).to_vec();
    let settled = |id: &str, shard, seq, state| Settled {
        id: id.to_owned(),
        shard,
        seq,
        state,
        cause: (state == State::Dead).then(|| "permanent".to_owned()),
    };
    let failed = |id: &str, started_at, attempt| Failed { id: id.to_owned(), started_at, attempt };
    let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    facts.handlers.push(Handled {
        name: "moody".to_owned(),
        ordered: true,
        moody: true,
        takes: Vec::new(),
        books: vec![
            Book { shard: 0, epoch: 3, floor: 5, done: 2, skipped: 1, duplicate: 1, dead: 1, ..Book::default() },
            Book { shard: 1, epoch: 1, floor: 2, done: 2, ..Book::default() },
        ],
        ledger: vec![
            settled("a1", 0, 1, State::Done),
            settled("a2", 0, 2, State::Done),
            settled("a3", 0, 4, State::Dead),
            settled("a4", 0, 5, State::Skipped),
            settled("b1", 1, 1, State::Done),
            settled("b2", 1, 2, State::Done),
        ],
        published: names(&["b1", "a1", "a2", "b2"]),
        failed: vec![failed("a2", 10, 1), failed("a2", 20, 2), failed("a3", 30, 1)],
        letters: names(&["a3"]),
        feed: names(&["a3"]),
        unsent: 0,
        counters: Some(HashMap::from([("room-0".to_owned(), 2), ("room-1".to_owned(), 2)])),
    });
    facts.handlers.push(Handled {
        name: "loose".to_owned(),
        ordered: false,
        moody: false,
        takes: vec!["track_published"],
        books: vec![
            Book { shard: 0, epoch: 1, floor: 5, done: 1, filtered: 4, ..Book::default() },
            Book { shard: 1, epoch: 1, floor: 2, done: 1, filtered: 1, ..Book::default() },
        ],
        ledger: vec![settled("a2", 0, 2, State::Done), settled("b2", 1, 2, State::Done)],
        published: names(&["b2", "a2"]),
        failed: Vec::new(),
        letters: Vec::new(),
        feed: Vec::new(),
        unsent: 0,
        counters: None,
    });
    facts.slept.push(Slept { runner: 1, taken: vec![("moody".to_owned(), 0, 2)], told: true });
    facts
}

fn counters(facts: &mut Facts, room: &str, counted: u64) {
    facts.handlers[0].counters.get_or_insert_default().insert(room.to_owned(), counted);
}

#[test]
fn of_the_truth_there_is_nothing_to_complain() {
    assert_eq!(judge(&truth()).words(), "");
    // Processes are killed here: that may cost an event that did nothing its end.
    let mut facts = truth();
    let moody = &mut facts.handlers[0];
    (moody.ledger[4].state, moody.ledger[4].cause) = (State::Dead, Some("process_died".to_owned()));
    (moody.books[1].done, moody.books[1].dead) = (1, 1);
    moody.published.retain(|id| id != "b1");
    moody.letters.push("b1".to_owned());
    moody.feed.push("b1".to_owned());
    counters(&mut facts, "room-1", 1);
    assert_eq!(judge(&facts).words(), "");
    // A sender that gave up does not say when its event arrives, nor does one whose repeat is accepted behind others.
    for accepted in [false, true] {
        let mut facts = truth();
        let sent = facts.sent.get_mut("a1").unwrap();
        (sent.accepted, sent.in_turn) = (accepted, false);
        facts.rooms[0].swap(0, 1);
        assert_eq!(judge(&facts).words(), "");
    }
}

#[test]
fn each_lie_is_found_and_named() {
    type Lie = fn(&mut Facts);
    let lies: [(&str, Lie); 31] = [
        ("accepted and not stored", |facts| {
            facts.stored.remove(5);
        }),
        ("refused", |facts| facts.sent.get_mut("b1").unwrap().refused = Some(401)),
        ("stored and never sent", |facts| assert!(facts.sent.remove("b1").is_some())),
        ("stored in another order", |facts| facts.rooms[1].reverse()),
        ("settled and never sent", |facts| assert!(facts.sent.remove("a1").is_some())),
        ("settled at a repeat", |facts| facts.handlers[0].ledger[0].seq = 3),
        ("another end", |facts| facts.handlers[0].ledger[1].state = State::Skipped),
        ("another end", |facts| {
            facts.handlers[0].ledger[1].state = State::Dead;
            facts.handlers[0].ledger[1].cause = Some("trap".to_owned());
        }),
        ("handled and not wanted", |facts| facts.handlers[1].takes = vec!["room_started"]),
        ("stored and not settled", |facts| {
            facts.handlers[0].ledger.pop();
        }),
        ("stored and not settled", |facts| {
            facts.handlers[1].ledger.pop();
        }),
        ("settled twice", |facts| {
            let row = facts.handlers[0].ledger[0].clone();
            facts.handlers[0].ledger.push(row);
        }),
        ("without books", |facts| facts.handlers[0].books.truncate(1)),
        ("unaccounted", |facts| facts.handlers[1].books[0].unaccounted = -1),
        ("floor below the end", |facts| facts.handlers[0].books[1].floor = 1),
        ("books unlike the ledger", |facts| facts.handlers[0].books[0].done = 3),
        ("books unlike the ledger", |facts| facts.handlers[0].ledger[0].state = State::Parked),
        ("duplicates unlike the stream", |facts| facts.handlers[0].books[0].duplicate = 2),
        ("unsent", |facts| facts.handlers[0].unsent = 1),
        ("not published", |facts| {
            facts.handlers[0].published.pop();
        }),
        ("published twice", |facts| facts.handlers[1].published.push("a2".to_owned())),
        ("published and not done", |facts| facts.handlers[0].published.push("a3".to_owned())),
        ("no letter", |facts| facts.handlers[0].letters.clear()),
        ("two letters", |facts| facts.handlers[0].letters.push("a3".to_owned())),
        ("not in the feed", |facts| facts.handlers[0].feed.clear()),
        ("twice in the feed", |facts| facts.handlers[0].feed.push("a3".to_owned())),
        ("handled in another order", |facts| facts.handlers[0].published.swap(1, 2)),
        ("tried in another order", |facts| facts.handlers[0].failed[2].started_at = 15),
        ("counted wrong", |facts| counters(facts, "room-0", 3)),
        ("counted wrong", |facts| counters(facts, "room-9", 1)),
        ("same epoch after a sleep", |facts| facts.handlers[0].books[0].epoch = 2),
    ];
    for (rule, lie) in lies {
        let mut facts = truth();
        lie(&mut facts);
        let complaints = judge(&facts);
        assert!(complaints.rules().contains(&rule), "{rule}: {}", complaints.words());
    }
    let mut facts = truth();
    facts.slept[0].told = false;
    assert_eq!(judge(&facts).rules(), ["woke and did not know"]);
    // What keeps no order may have none.
    let mut facts = truth();
    facts.handlers[1].published.reverse();
    assert_eq!(judge(&facts).words(), "");
}
