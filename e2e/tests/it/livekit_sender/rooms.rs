//! Meetings in which every type of event occurs, the rooms taking turns.

use anyhow::{Context as _, Result};
use livekit::generate::{Names, event};

/// One event to hand to a sender.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    /// LiveKit and Roomwire both keep the order of the events of one lane.
    pub(super) lane: String,
    pub(super) body: String,
    /// Whether it has an extra webhook, as egresses have.
    pub(super) copied: bool,
}

/// So many events of so many rooms, whose names begin with `site`: one whole meeting after the other.
pub(super) fn events(site: &str, rooms: usize, count: usize) -> Result<Vec<Event>> {
    let mut turns = vec![Vec::new(); rooms];
    let mut events = Vec::with_capacity(count);
    for turn in (0..rooms).cycle().take(count) {
        let room = turns.get_mut(turn).context("no such room")?;
        if room.is_empty() {
            *room = meeting(&format!("{site}-{turn}"))?;
            room.reverse();
        }
        events.extend(room.pop());
    }
    Ok(events)
}

/// One event of a room.
pub(super) fn room_started(room: &str) -> Result<Event> {
    Event::new("room_started", &Names::new(room, ""))
}

/// How many events one meeting has.
pub(super) const MEETING: usize = 23;

/// Three people, a recording, an ingress, an agent, and somebody who never gets in.
fn meeting(room: &str) -> Result<Vec<Event>> {
    let first = Names::new(room, "");
    let people: Vec<Names> = (0..3).map(|n| first.participant(&format!("user-{n}"))).collect();
    let nobody = first.participant("nobody");
    let mut planned = vec![("room_started", &first), ("participant_connection_aborted", &nobody)];
    planned.extend(people.iter().flat_map(|who| [("participant_joined", who), ("track_published", who)]));
    let machines = ["egress_started", "ingress_started", "agent_job_pending", "egress_updated", "agent_job_started"];
    planned.extend(machines.map(|kind| (kind, &first)));
    planned.extend(["agent_job_ended", "ingress_ended", "egress_ended"].map(|kind| (kind, &first)));
    planned.extend(people.iter().flat_map(|who| [("track_unpublished", who), ("participant_left", who)]));
    planned.push(("room_finished", &first));
    planned.into_iter().map(|(kind, names)| Event::new(kind, names)).collect()
}

impl Event {
    fn new(kind: &str, names: &Names) -> Result<Self> {
        let body = event(kind, names);
        let facts = livekit::body::inspect(body.as_bytes()).context("not an event")?;
        // To LiveKit all agent jobs are one lane beside those of the rooms, to Roomwire they belong to their room.
        let lane =
            if kind.starts_with("agent_job_") { format!("jobs of {}", names.room) } else { facts.key.to_string() };
        Ok(Self { id: facts.id.to_string(), kind: facts.kind, lane, body, copied: kind.starts_with("egress_") })
    }
}
