//! Which lane comes next: ready lanes first in, first out; waiting lanes by time.

use std::sync::Arc;

use super::{Core, Owned};
use crate::Millis;
use crate::lane::{Next, Place};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Looks after a lane in which something changed: parks it where it must be, queues it for what comes next, and
    /// forgets it when it is empty.
    pub(super) fn tend(&mut self, core: &mut Core<E, R>, key: &Arc<str>) {
        if !self.is_stopping(core) {
            self.park_if_due(core, key);
        }
        let Some(lane) = self.lanes.get(key) else { return };
        if lane.is_empty() {
            self.place(key, Place::Nowhere);
            self.lanes.remove(key);
            return;
        }
        if lane.place == Place::Lone {
            return;
        }
        let place = match lane.next() {
            _ if self.is_stopping(core) => Place::Nowhere,
            Next::Nothing => Place::Nowhere,
            Next::Run(_, at) | Next::Load(at) if at <= core.now => Place::Ready,
            Next::Run(_, at) => Place::WaitsInMemory(at),
            Next::Load(at) => Place::WaitsInStore(at),
        };
        self.place(key, place);
    }

    /// Moves a lane from one queue to another.
    pub(super) fn place(&mut self, key: &Arc<str>, place: Place) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.place == place {
            return;
        }
        match lane.place {
            Place::WaitsInMemory(at) => {
                self.waits_in_memory.remove(&(at, key.clone()));
            }
            Place::WaitsInStore(at) => {
                self.waits_in_store.remove(&(at, key.clone()));
            }
            // The queues of ready and lone lanes are checked when one is taken from them.
            Place::Nowhere | Place::Ready | Place::Lone => {}
        }
        lane.place = place;
        match place {
            Place::WaitsInMemory(at) => {
                self.waits_in_memory.insert((at, key.clone()));
            }
            Place::WaitsInStore(at) => {
                self.waits_in_store.insert((at, key.clone()));
            }
            Place::Ready => self.ready.push_back(key.clone()),
            Place::Nowhere | Place::Lone => {}
        }
    }

    /// Queues the lanes whose time has come.
    pub(crate) fn wake(&mut self, core: &mut Core<E, R>) {
        let mut due = Vec::new();
        for waits in [&self.waits_in_memory, &self.waits_in_store] {
            due.extend(waits.iter().take_while(|(at, _)| *at <= core.now).cloned());
        }
        due.sort_unstable();
        for (_, key) in due {
            self.tend(core, &key);
        }
    }

    /// When the next lane's time comes.
    pub(crate) fn next_lane(&self) -> Option<Millis> {
        let first = |(at, _): &(Millis, Arc<str>)| *at;
        let memory = self.waits_in_memory.first().map(first);
        let store = self.waits_in_store.first().map(first);
        memory.into_iter().chain(store).min()
    }

    /// Nothing more is started: the queues are empty from now on.
    pub(crate) fn still(&mut self) {
        self.ready.clear();
        self.waits_in_memory.clear();
        self.waits_in_store.clear();
        for lane in self.lanes.values_mut() {
            lane.place = Place::Nowhere;
        }
    }
}
