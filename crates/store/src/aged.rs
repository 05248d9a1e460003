//! Entries of the ledger leave it when they are old (rule 5 of the runner's core), and the attempts of their events with
//! them. What both databases share.
//!
//! There is no index of the times: each commit would pay for it. The ledger is walked in the order of its key, in which
//! events of a project stand by the time of their creation. Nothing is settled before it was created, so what is younger
//! need not be looked at, and of what is older only that remains which is parked, dead or was settled late.

use lanes::Millis;

/// Where a walk over the ledger stands: behind this entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerPlace {
    pub(crate) handler_id: i64,
    pub(crate) run: String,
    pub(crate) project: String,
    pub(crate) created: i64,
    pub(crate) event_id: String,
}

impl LedgerPlace {
    /// Behind all events of its project.
    pub(crate) fn behind_project(self) -> Self {
        Self { created: i64::MAX, event_id: String::new(), ..self }
    }
}

/// What a step of a walk did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aged {
    /// Entries that are gone.
    pub removed: u64,
    /// Where to go on; none at the end.
    pub next: Option<LedgerPlace>,
}

/// The seconds of a time in milliseconds, as creation is kept.
pub(crate) fn seconds(time: Millis) -> i64 {
    (time / 1_000).cast_signed()
}

/// The first entry behind a place.
pub(crate) const FIRST: &str = "
    select handler_id, run, project, created from ledger
    where (handler_id, run, project, created, event_id) > ($1, $2, $3, $4, $5)
    order by handler_id, run, project, created, event_id limit 1";

/// The last one of a step, `$7` entries behind the next.
pub(crate) const LAST: &str = "
    select created, event_id from ledger
    where handler_id = $1 and run = $2 and project = $3 and (created, event_id) > ($4, $5) and created < $6
    order by created, event_id limit 1 offset $7";

/// Those of a step that are settled for good, were settled before `$8`, and lie below the floor of their shard: above it
/// the stream may bring a copy again.
pub(crate) const REMOVE: &str = "
    delete from ledger
    where handler_id = $1 and run = $2 and project = $3 and (created, event_id) > ($4, $5)
        and (created, event_id) <= ($6, $7) and settled_at < $8 and state in (1, 2, 3)
        and seq <= (
            select p.floor from progress as p
            where p.handler_id = ledger.handler_id and p.run = ledger.run and p.shard = ledger.shard
        )";

/// Attempts of events that have no entry any more. (One that is not settled yet has none either; it is above the floor.)
pub(crate) const REMOVE_ATTEMPTS: &str = "
    delete from attempts
    where handler_id = $1 and run = $2 and project = $3 and (created, event_id) > ($4, $5)
        and (created, event_id) <= ($6, $7) and started_at < $8
        and seq <= (
            select p.floor from progress as p
            where p.handler_id = attempts.handler_id and p.run = attempts.run and p.shard = attempts.shard
        )
        and not exists (
            select 1 from ledger as l
            where l.handler_id = attempts.handler_id and l.run = attempts.run and l.project = attempts.project
                and l.created = attempts.created and l.event_id = attempts.event_id
        )";
