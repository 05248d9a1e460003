//! What is true, whatever anybody believes: the streams, and which invocation did what.

use std::sync::Arc;

use lanes::{BYGONE, Identity, Millis, Outcome, Seq, Shard, Verdict};

/// What the runner keeps with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) shard: Shard,
    pub(crate) seq: Seq,
    /// Which identity.
    pub(crate) of: usize,
}

/// What an invocation leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) exec: usize,
    pub(crate) poison: Poison,
}

/// Which rows the store cannot take with this report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    None,
    /// Rows with effects.
    Effects,
    /// Any row.
    Any,
}

/// One identity: an event, and all copies of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) shard: Shard,
    pub(crate) key: Arc<str>,
    pub(crate) verdict: Verdict,
    /// The sequences of its copies in the stream that is there; the first one counts.
    pub(crate) seqs: Vec<Seq>,
    /// The ledger had it when its stream was wiped or restored: no copy counts any more.
    pub(crate) handled: bool,
    /// Its number, where it was parked or dead then.
    pub(crate) number: Option<Seq>,
    /// The process dies when it runs.
    pub(crate) killer: bool,
}

impl Known {
    /// The sequence of the copy that counts.
    pub(crate) fn first(&self) -> Option<Seq> {
        self.seqs.first().copied().filter(|_| !self.handled)
    }

    /// Where it stands in its lane, where it can be waited for.
    pub(crate) fn place(&self) -> Option<i64> {
        self.number.or(self.first()).map(u64::cast_signed)
    }
}

/// One invocation.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    pub(crate) shard: Shard,
    /// Of the owner that ran it.
    pub(crate) epoch: u64,
    pub(crate) seq: Seq,
    pub(crate) start: u64,
    /// The first attempt of its event, by the machine's word.
    pub(crate) first_at: Millis,
    /// For how long since then nothing could be tried, at the least.
    pub(crate) stopped: Millis,
    pub(crate) ended_at: Millis,
    pub(crate) end: Option<(u64, Outcome)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// By shard, by sequence - 1: which identity; `None` for a deleted message.
    pub(crate) streams: Vec<Vec<Option<usize>>>,
    pub(crate) known: Vec<Known>,
    pub(crate) execs: Vec<Exec>,
    /// By shard: how often its stream was wiped or restored.
    pub(crate) lives: Vec<usize>,
}

impl Truth {
    pub(crate) fn at(&self, shard: Shard, seq: Seq) -> Option<usize> {
        if seq >= BYGONE {
            return self.known.iter().position(|known| known.shard == shard && known.number == Some(seq));
        }
        let at = usize::try_from(seq).unwrap().checked_sub(1)?;
        self.streams[usize::from(shard)].get(at).copied().flatten()
    }

    /// Does this sequence or number stand for its event?
    pub(crate) fn counts(&self, shard: Shard, seq: Seq) -> bool {
        self.at(shard, seq).is_some_and(|of| self.known[of].place() == Some(seq.cast_signed()))
    }

    pub(crate) fn last(&self, shard: Shard) -> Seq {
        self.streams[usize::from(shard)].len() as Seq
    }
}
