//! Reading stored events back, a window of a lane at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Core, Owned};
use crate::lane::{Item, Load, place};
use crate::{Command, Millis, Seq, StoredEvent};

/// A read that brought nothing although something is stored is repeated after this long.
const READ_AGAIN_MS: Millis = 1_000;

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Asks for the next stored events of a lane.
    pub(super) fn load(&mut self, core: &mut Core<E, R>, key: &Arc<str>, limit: u32) {
        let idle = !self.has_rows_of(key);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let number = core.number();
        let whole = (idle && lane.window.is_empty()).then_some(lane.stored);
        lane.load = Some(Load { number, limit, whole, stale: false, gone: BTreeSet::new() });
        self.loading += 1;
        let from = lane.read_from();
        // What is in the window already shall not take the place of what is not.
        let known = lane.window.iter().filter(|item| place(item.seq) >= place(from)).count();
        let limit = limit.saturating_add(u32::try_from(known).unwrap_or(0));
        core.out.push(Command::Load { shard: self.shard, load: number, key: key.clone(), from, limit });
    }

    /// Stored events of a lane were read.
    pub(crate) fn loaded(
        &mut self,
        core: &mut Core<E, R>,
        number: u64,
        key: &Arc<str>,
        mut events: Vec<StoredEvent<E>>,
    ) {
        let (idle, stopping) = (!self.has_rows_of(key), self.is_stopping(core));
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some(load) = lane.load.take_if(|load| load.number == number) else { return };
        self.loading = self.loading.saturating_sub(1);
        if !load.stale && lane.redriving.is_empty() && !stopping {
            let found = events.len() as u64;
            let undisturbed = idle && load.whole == Some(lane.stored) && load.gone.is_empty();
            if undisturbed && found < u64::from(load.limit) && found != lane.stored {
                // Somebody has changed the store: what is not there cannot hold its lane up.
                lane.stored = found;
                self.mended += 1;
            }
            events.sort_by_key(|event| place(event.seq));
            let known: BTreeSet<Seq> = lane.window.iter().chain(&lane.memory).map(|item| item.seq).collect();
            let fresh =
                events.into_iter().filter(|event| !known.contains(&event.seq) && !load.gone.contains(&event.seq));
            let fresh: Vec<Item<E>> = fresh.map(Item::stored).collect();
            // Where nothing came the store may be behind its own answers: not at once again.
            lane.due = 0;
            lane.rests_until = if fresh.is_empty() { core.now.saturating_add(READ_AGAIN_MS) } else { 0 };
            self.read += fresh.len() as u64;
            self.events += fresh.len() as u64;
            self.bytes = fresh.iter().fold(self.bytes, |bytes, item| bytes.saturating_add(item.bytes));
            lane.window.extend(fresh);
            lane.unloaded = None;
            lane.order();
        }
        self.tend(core, key);
        self.put_first(key);
    }

    /// Has a lane rows that are not answered yet?
    fn has_rows_of(&self, key: &Arc<str>) -> bool {
        let sent = self.unanswered.iter().flat_map(|commit| &commit.rows);
        sent.chain(&self.pending).any(|row| row.key == *key)
    }
}
