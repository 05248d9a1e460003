//! What is to start, gathered over several decisions of the machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanes::{Invocation, Seq, Shard};
use store::Event;

pub(super) type Invocations = Vec<Invocation<Arc<Event>>>;

/// What is to start of each shard, from several decisions: it is marked at once, and runs together.
#[derive(Default)]
pub(super) struct Starts(BTreeMap<Shard, (Vec<Seq>, Invocations)>);

impl Starts {
    /// A later mark has what an earlier one has, but for what has ended.
    pub(super) fn add(&mut self, shard: Shard, running: Vec<Seq>, invocations: Invocations) {
        let (marked, gathered) = self.0.entry(shard).or_default();
        *marked = running;
        gathered.extend(invocations);
    }

    /// The shard is not ours any more: nothing of it starts.
    pub(super) fn forget(&mut self, shard: Shard) {
        self.0.remove(&shard);
    }

    /// Gives it all away: of each shard what its mark is to have, and what is to run.
    pub(super) fn take(&mut self) -> BTreeMap<Shard, (Vec<Seq>, Invocations)> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lanes::Identity;
    use store::Headers;

    use super::*;

    fn invocation(number: u64, seq: Seq) -> Invocation<Arc<Event>> {
        let text = |text: &str| Arc::<str>::from(text);
        let event = Event {
            seq,
            project: text("default"),
            kind: text("room_started"),
            headers: Headers::default(),
            body: Bytes::new(),
            identity: Identity { project: text("default"), created: 0, id: text("EV") },
            key: text("room"),
            received_at_ms: 0,
        };
        Invocation {
            invocation: number,
            seq,
            key: text("room"),
            attempt: 1,
            is_final: false,
            redriven: false,
            first_at: 0,
            event: Arc::new(event),
        }
    }

    type Taken = Vec<(Shard, Vec<Seq>, Vec<u64>)>;

    fn taken(starts: &mut Starts) -> Taken {
        let told = |(shard, (running, invocations)): (Shard, (Vec<Seq>, Invocations))| {
            (shard, running, invocations.iter().map(|invocation| invocation.invocation).collect())
        };
        starts.take().into_iter().map(told).collect()
    }

    #[test]
    fn what_several_decisions_start_of_a_shard_runs_in_their_order_under_the_last_mark() {
        let mut starts = Starts::default();
        starts.add(1, vec![4, 5], vec![invocation(1, 4), invocation(2, 5)]);
        starts.add(0, vec![9], vec![invocation(3, 9)]);
        // Sequence 4 has ended by now.
        starts.add(1, vec![5, 6], vec![invocation(4, 6)]);
        assert_eq!(taken(&mut starts), [(0, vec![9], vec![3]), (1, vec![5, 6], vec![1, 2, 4])]);
        assert_eq!(taken(&mut starts), Taken::new(), "it starts once");
    }

    #[test]
    fn nothing_of_a_shard_that_was_lost_starts_but_what_a_later_claim_wants() {
        let mut starts = Starts::default();
        starts.add(0, vec![1], vec![invocation(1, 1)]);
        starts.add(1, vec![2], vec![invocation(2, 2)]);
        starts.forget(0);
        assert_eq!(taken(&mut starts), [(1, vec![2], vec![2])]);
        starts.add(0, vec![1], vec![invocation(3, 1)]);
        starts.forget(0);
        starts.add(0, vec![3], vec![invocation(4, 3)]);
        assert_eq!(taken(&mut starts), [(0, vec![3], vec![4])]);
    }
}
