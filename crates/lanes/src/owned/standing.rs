//! How the lanes of a commit stand in the store after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Owned;
use super::commit::{Fate, Pending};
use crate::lane::{Failed, Item, Lane, Saved, Step, place};
use crate::{Change, LaneChange, Millis, Origin, Seq};

/// What the rows of a commit do to one lane.
#[derive(Debug, Default)]
struct Touched {
    /// To the number of its stored events.
    stores: i64,
    /// To its hold.
    held: Option<bool>,
    /// When events that stay or come may run.
    dues: Vec<(Seq, Millis)>,
    /// Events that leave.
    gone: Vec<Seq>,
}

impl<E: Clone, R: Clone> Owned<E, R> {
    /// What becomes of the commit's lanes in the store, and how they stand there afterwards.
    pub(super) fn lanes_with(&self, rows: &[Pending<E, R>]) -> (Vec<LaneChange>, Vec<(Arc<str>, Saved)>) {
        let mut touched: BTreeMap<&Arc<str>, Touched> = BTreeMap::new();
        for row in rows {
            let stays = row.origin == Origin::Parked && row.stores() == 0;
            if row.fate == Fate::Duplicate || (row.stores() == 0 && row.hold().is_none() && !stays) {
                continue;
            }
            let lane = touched.entry(&row.key).or_default();
            lane.stores += row.stores();
            if row.stores() < 0 {
                lane.gone.push(row.seq);
            }
            lane.held = row.hold().or(lane.held);
            if let Change::Parked { attempts, .. } | Change::Failed { attempts, .. } = &row.change {
                lane.dues.push((row.seq, attempts.next_at));
            }
        }
        let (mut changes, mut saved) = (Vec::new(), Vec::new());
        for (key, touched) in touched {
            let Some(lane) = self.lanes.get(key) else { continue };
            let after = touched.standing(lane);
            if after != lane.saved {
                changes.push(match after {
                    Saved::Held => LaneChange::Held { key: key.clone() },
                    Saved::Unknown => LaneChange::Gone { key: key.clone() },
                    Saved::Waiting(due) => LaneChange::Waiting { key: key.clone(), due },
                });
            }
            saved.push((key.clone(), after));
        }
        (changes, saved)
    }
}

impl Touched {
    fn standing<E>(&self, lane: &Lane<E>) -> Saved {
        if self.held.unwrap_or(lane.saved == Saved::Held) {
            Saved::Held
        } else if lane.stored.saturating_add_signed(self.stores) == 0 {
            Saved::Unknown
        } else {
            Saved::Waiting(self.due(lane))
        }
    }

    /// When its first event may run, by what the store has then. Too early a time costs a look after a takeover, too
    /// late a time would cost a wait.
    fn due<E>(&self, lane: &Lane<E>) -> Millis {
        // A redriven event may be the first one, and it may run at once.
        if self.held.is_some() {
            return 0;
        }
        // One whose end goes into a later commit is there until then.
        let stays = |item: &&Item<E>| item.step != Step::Settling || !self.gone.contains(&item.seq);
        match lane.window.iter().filter(stays).min_by_key(|item| place(item.seq)) {
            Some(first) => match self.dues.iter().find(|(seq, _)| *seq == first.seq) {
                Some(&(_, due)) => due,
                // What is known of it here goes into a later commit.
                None if first.failed == Failed::Pending => 0,
                None if matches!(first.step, Step::Storing | Step::Settling) => 0,
                None => first.attempts.next_at,
            },
            None if lane.unread() > 0 => lane.due,
            None => self.dues.iter().min_by_key(|(seq, _)| place(*seq)).map_or(0, |&(_, due)| due),
        }
    }
}
