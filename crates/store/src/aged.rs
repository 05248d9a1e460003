//! Entries of the ledger leave it when they are old (rule 5 of the runner's core), and with them the attempts of their
//! events and the dead letters that these were once. What both databases share.
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

/// One step: the entries behind one place, up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Behind this entry.
    pub(crate) begin: LedgerPlace,
    /// Nothing settled before that time was created at this second, or later.
    pub(crate) created_before: i64,
}

impl Step {
    /// Whose first entry was found: that of the same project goes on, another project is begun.
    pub(crate) fn new(
        after: LedgerPlace,
        (handler_id, run, project): (i64, String, String),
        created_before: i64,
    ) -> Self {
        let is_same = (after.handler_id, &after.run, &after.project) == (handler_id, &run, &project);
        let begin = LedgerPlace { handler_id, run, project, created: i64::MIN, event_id: String::new() };
        Self { begin: if is_same { after } else { begin }, created_before }
    }

    /// Where a step ends that has as many entries as it may, with `last` the last of them; else where its project does.
    /// Then where the walk goes on.
    pub(crate) fn end(&self, last: Option<(i64, String)>) -> ((i64, String), LedgerPlace) {
        let begin = self.begin.clone();
        match last {
            Some((created, event_id)) => {
                let next = LedgerPlace { created, event_id: event_id.clone(), ..begin };
                ((created, event_id), next)
            }
            // Nothing has this id: it stands for all that was created before.
            None => ((self.created_before, String::new()), begin.behind_project()),
        }
    }
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

/// Deaths from which an operator sent the event back, or on, and that has no entry any more. One that is dead now has one.
pub(crate) const REMOVE_DEATHS: &str = "
    delete from dead
    where handler_id = $1 and run = $2 and project = $3 and (created, event_id) > ($4, $5)
        and (created, event_id) <= ($6, $7) and redriven_at < $8
        and not exists (
            select 1 from ledger as l
            where l.handler_id = dead.handler_id and l.run = dead.run and l.project = dead.project
                and l.created = dead.created and l.event_id = dead.event_id
        )";

#[cfg(test)]
mod tests {
    use super::*;

    fn place(project: &str, created: i64, event_id: &str) -> LedgerPlace {
        LedgerPlace { handler_id: 1, run: "live".into(), project: project.into(), created, event_id: event_id.into() }
    }

    #[test]
    fn a_walk_goes_on_in_its_project_and_begins_the_next_one_at_its_first_entry() {
        let first = |project: &str| (1, "live".to_owned(), project.to_owned());
        let step = Step::new(place("a", 7, "e"), first("a"), 100);
        assert_eq!(step.begin, place("a", 7, "e"));
        assert_eq!(step.end(Some((9, "f".to_owned()))), ((9, "f".to_owned()), place("a", 9, "f")));
        assert_eq!(step.end(None), ((100, String::new()), place("a", i64::MAX, "")));
        assert_eq!(Step::new(place("a", 7, "e"), first("b"), 100).begin, place("b", i64::MIN, ""));
    }
}
