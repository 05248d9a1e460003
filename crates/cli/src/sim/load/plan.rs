//! The events of a load: meetings in every room, one after the other, the same ones for the same seed.

use std::collections::{BTreeSet, VecDeque};

use livekit::generate::{Names, event};

use super::chaos::{self, Chaos};

/// One event to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) body: String,
    /// Which of the servers sends it: always the same one for a room.
    pub(super) server: usize,
    /// Whether it has an extra webhook.
    pub(super) copied: bool,
}

#[derive(Debug)]
struct Room {
    name: String,
    server: usize,
    meetings: u64,
    events: VecDeque<Planned>,
}

/// Endless; the rooms take turns.
#[derive(Debug)]
pub(super) struct Plan {
    seed: u64,
    chaos: BTreeSet<Chaos>,
    rooms: Vec<Room>,
    turn: usize,
}

impl Plan {
    pub(super) fn new(seed: u64, rooms: usize, chaos: BTreeSet<Chaos>) -> Self {
        let servers = chaos::clocks(&chaos).len();
        let room = |number: usize| Room {
            name: format!("load-{seed}-{number}"),
            server: number % servers,
            meetings: 0,
            events: VecDeque::new(),
        };
        Self { seed, chaos, rooms: (0..rooms).map(room).collect(), turn: 0 }
    }

    /// How many meetings were begun.
    pub(super) fn meetings(&self) -> u64 {
        self.rooms.iter().map(|room| room.meetings).sum()
    }
}

impl Iterator for Plan {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let Self { seed, chaos, rooms, turn } = self;
        let number = *turn % rooms.len().max(1);
        *turn += 1;
        let room = rooms.get_mut(number)?;
        if room.events.is_empty() {
            let place = u64::try_from(number).unwrap_or_default() << 32 | room.meetings;
            room.events = meeting(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)), room, chaos).into();
            room.meetings += 1;
        }
        room.events.pop_front()
    }
}

/// A meeting of up to six people, some with a recording, an ingress, an agent, somebody who never gets in.
fn meeting(seed: u64, room: &Room, chaos: &BTreeSet<Chaos>) -> Vec<Planned> {
    // The ids of the events come from the thread's own source of chance. No other work gets in between.
    fastrand::seed(seed);
    let mut random = fastrand::Rng::with_seed(!seed);
    let first = Names { spaced: random.bool(), ..Names::new(&room.name, "") };
    let everybody: Vec<Names> = (0..random.usize(1..=6)).map(|n| first.participant(&format!("user-{n}"))).collect();
    let mut events = vec![event("room_started", &first)];
    if random.u8(..10) == 0 {
        events.push(event("participant_connection_aborted", &first.participant("nobody")));
    }
    let both = |names: &Names, kinds: [&str; 2]| kinds.map(|kind| event(kind, names));
    events.extend(everybody.iter().flat_map(|names| both(names, ["participant_joined", "track_published"])));
    for (kinds, often) in [
        (&["egress_started", "egress_updated", "egress_ended"][..], if chaos.contains(&Chaos::Dup) { 1 } else { 3 }),
        (&["ingress_started", "ingress_ended"], 5),
        (&["agent_job_pending", "agent_job_started", "agent_job_ended"], 10),
    ] {
        if random.u8(..often) == 0 {
            events.extend(kinds.iter().map(|kind| event(kind, &first)));
        }
    }
    if chaos.contains(&Chaos::Unknown) {
        events.push(event("event_of_tomorrow", &first));
    }
    events.extend(everybody.iter().flat_map(|names| both(names, ["track_unpublished", "participant_left"])));
    events.push(event("room_finished", &first));
    if chaos.contains(&Chaos::Reorder) && random.u8(..3) == 0 {
        chaos::reorder(&mut events, &mut random);
    }
    let mut planned = |body: String| {
        let copied = chaos.contains(&Chaos::Dup) && body.contains("\"egressInfo\":");
        let strange = chaos.contains(&Chaos::Unknown) && random.u8(..3) == 0;
        let body = if strange { chaos::unknown(&body, &mut random) } else { body };
        Planned { body, server: room.server, copied }
    };
    events.into_iter().map(&mut planned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::ValueEnum;
    use livekit::body;
    use livekit::generate::KINDS;

    use super::*;

    fn facts(planned: &Planned) -> (String, String, Option<String>) {
        let facts = body::inspect(planned.body.as_bytes()).unwrap();
        (facts.id.to_string(), facts.kind, facts.room)
    }

    fn all() -> BTreeSet<Chaos> {
        Chaos::value_variants().iter().copied().collect()
    }

    #[test]
    fn the_same_seed_plans_the_same_events_and_another_seed_others() {
        let ids = |seed| Plan::new(seed, 3, all()).take(200).map(|planned| facts(&planned)).collect::<Vec<_>>();
        assert_eq!(ids(1), ids(1));
        assert!(ids(1).iter().all(|event| !ids(2).contains(event)));
        let once: HashSet<_> = ids(1).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(once.len(), 200, "each event has an id of its own");
    }

    #[test]
    fn rooms_take_turns_and_every_meeting_is_whole_and_in_order() {
        let plan = Plan::new(9, 2, BTreeSet::new());
        let events: Vec<_> = plan.take(400).map(|planned| facts(&planned)).collect();
        for room in 0..2 {
            let kinds: Vec<_> = events.iter().skip(room).step_by(2).map(|(_, kind, _)| kind.as_str()).collect();
            for meeting in kinds.split_inclusive(|kind| *kind == "room_finished") {
                assert_eq!(meeting[0], "room_started");
                let count = |wanted: &str| meeting.iter().filter(|kind| **kind == wanted).count();
                if meeting.ends_with(&["room_finished"]) {
                    assert_eq!(count("participant_joined"), count("participant_left"));
                }
            }
            assert!(events.iter().skip(room).step_by(2).all(|(.., name)| *name == Some(format!("load-9-{room}"))));
        }
        let kinds: HashSet<_> = events.into_iter().map(|(_, kind, _)| kind).collect();
        assert_eq!(kinds, KINDS.map(str::to_owned).into());
    }

    #[test]
    fn chaos_copies_egress_events_and_spreads_rooms_over_servers_with_other_clocks() {
        let events: Vec<_> = Plan::new(3, 16, all()).take(2000).collect();
        for planned in &events {
            assert_eq!(planned.copied, facts(planned).1.starts_with("egress_"));
        }
        let servers: HashSet<_> = events.iter().map(|planned| planned.server).collect();
        assert_eq!(servers.len(), chaos::clocks(&all()).len());
        assert!(events.iter().any(|planned| facts(planned).1 == "event_of_tomorrow"));
        assert!(Plan::new(3, 16, BTreeSet::new()).take(2000).all(|planned| !planned.copied && planned.server == 0));
    }
}
