//! Places for connections, as many as the limit allows. When all are taken, the connection that has waited longest for its
//! sender makes room; when the memory for requests is taken, the one whose body has been on its way longest does. So
//! nobody keeps others out who opens connections and says nothing, or sends bodies that do not end.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::activity::{Activity, Waits};

/// So many are chosen at a time, because all must be looked at for it.
const CHOSEN: usize = 64;

/// The places. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    limit: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug)]
struct Taken {
    last: u64,
    open: HashMap<u64, Activity>,
    for_a_place: Next<Waits>,
    for_memory: Next<Instant>,
}

/// A place, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    id: u64,
}

/// A place, or none: everybody who is connected is being served.
#[derive(Debug)]
pub(crate) enum Seat {
    Free(Place),
    /// Another connection was told to leave for it.
    MadeFree(Place),
    None,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Places {
        let for_a_place = Next { waits: Activity::waits, chosen: Vec::new() };
        let for_memory = Next { waits: Activity::bodies_wait, chosen: Vec::new() };
        Places { limit, taken: Arc::new(Mutex::new(Taken { last: 0, open: HashMap::new(), for_a_place, for_memory })) }
    }

    /// A place for a connection of which `activity` tells.
    pub(crate) fn take(&self, activity: &Activity) -> Seat {
        let mut taken = self.taken();
        let Taken { last, open, for_a_place, .. } = &mut *taken;
        let full = open.len() >= self.limit;
        if full && !for_a_place.leaves(open) {
            return Seat::None;
        }
        *last += 1;
        open.insert(*last, activity.clone());
        let place = Place { places: self.clone(), id: *last };
        if full { Seat::MadeFree(place) } else { Seat::Free(place) }
    }

    /// Sends away the connection whose body has been on its way longest, and with it the memory that it has; false when
    /// there is none.
    pub(crate) fn free_memory(&self) -> bool {
        let mut taken = self.taken();
        let Taken { open, for_memory, .. } = &mut *taken;
        for_memory.leaves(open)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who shall leave next.
#[derive(Debug)]
struct Next<W> {
    /// What a connection waits for; the least leaves first, and none stays.
    waits: fn(&Activity) -> Option<W>,
    /// In order, the last one first.
    chosen: Vec<(W, u64)>,
}

impl<W: Copy + Ord> Next<W> {
    /// Sends away who has waited longest; false when nobody waits.
    fn leaves(&mut self, open: &mut HashMap<u64, Activity>) -> bool {
        if self.one_leaves(open) {
            return true;
        }
        self.chosen.extend(open.iter().filter_map(|(id, activity)| Some(((self.waits)(activity)?, *id))));
        if self.chosen.len() > CHOSEN {
            self.chosen.select_nth_unstable(CHOSEN);
            self.chosen.truncate(CHOSEN);
        }
        self.chosen.sort_unstable_by_key(|waits| Reverse(*waits));
        self.one_leaves(open)
    }

    fn one_leaves(&mut self, open: &mut HashMap<u64, Activity>) -> bool {
        while let Some((waited, id)) = self.chosen.pop() {
            // Since it was chosen it may have got what it waited for.
            let still = |activity: &&Activity| (self.waits)(activity) == Some(waited);
            let Some(activity) = open.get(&id).filter(still) else { continue };
            activity.send_away();
            open.remove(&id);
            return true;
        }
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(seat: Seat) -> Place {
        match seat {
            Seat::Free(place) | Seat::MadeFree(place) => place,
            Seat::None => panic!("there is room"),
        }
    }

    async fn later() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    async fn is_sent_away(activity: &Activity) -> bool {
        tokio::time::timeout(Duration::from_millis(1), activity.sent_away()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_bytes_makes_room_before_who_rests_and_the_longest_first() {
        let places = Places::new(3);
        let [silent, rests, sends] = [Activity::new(), Activity::new(), Activity::new()];
        let mut held: Vec<Place> = [&silent, &rests, &sends].map(|activity| place(places.take(activity))).into();
        drop(rests.request());
        later().await;
        let _sending = sends.request();
        let mut answering = Vec::new();
        for turn in [&silent, &sends, &rests] {
            later().await;
            let new = Activity::new();
            let (request, body) = new.request();
            drop(body);
            answering.push(request);
            let Seat::MadeFree(place) = places.take(&new) else { panic!("somebody waits") };
            held.push(place);
            let mut gone = Vec::new();
            for activity in [&silent, &sends, &rests] {
                gone.push(is_sent_away(activity).await == std::ptr::eq(activity, turn));
            }
            assert_eq!(gone, [true; 3]);
        }
        assert!(matches!(places.take(&Activity::new()), Seat::None), "all are being answered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ends_gives_its_place_back_and_nobody_leaves() {
        let places = Places::new(1);
        let (first, second) = (Activity::new(), Activity::new());
        drop(place(places.take(&first)));
        assert!(matches!(places.take(&second), Seat::Free(_)));
        assert!(!is_sent_away(&first).await && !is_sent_away(&second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_chosen_and_then_sent_something_stays() {
        let places = Places::new(2);
        let (one, two) = (Activity::new(), Activity::new());
        let _held = [place(places.take(&one)), place(places.take(&two))];
        later().await;
        // Now `one` and `two` are chosen; one leaves, and the other is served meanwhile.
        let _third = place(places.take(&Activity::new()));
        let (left, other) = if is_sent_away(&one).await { (&one, &two) } else { (&two, &one) };
        assert!(!is_sent_away(left).await, "it is told once");
        let (request, body) = other.request();
        drop(body);
        later().await;
        let _fourth = place(places.take(&Activity::new()));
        assert!(!is_sent_away(other).await, "the third, which waits, left instead");
        drop(request);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_freed_by_the_oldest_body_and_by_nobody_who_has_none() {
        let places = Places::new(9);
        let [silent, old, young] = [Activity::new(), Activity::new(), Activity::new()];
        let _held = [&silent, &old, &young].map(|activity| place(places.take(activity)));
        assert!(!places.free_memory());
        let _old = old.request();
        later().await;
        let _young = young.request();
        assert!(places.free_memory() && is_sent_away(&old).await);
        assert!(places.free_memory() && is_sent_away(&young).await);
        assert!(!places.free_memory() && !is_sent_away(&silent).await);
    }
}
