//! Claims: who wants a shard, and what the new owner is told.

use lanes::{Claimed, Seq, Shard};

use crate::{Owner, progress::Stored};

/// Who wants which shard.
#[derive(Clone, Debug)]
pub struct Claiming<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The run.
    pub run: &'a str,
    /// The shard.
    pub shard: Shard,
    /// The claimer: a name that no other start of a process has.
    pub claimer: &'a str,
    /// The shard's stream, as the server has it.
    pub stream: StreamIdentity,
    /// Where a handler begins that has no progress in this shard.
    pub begin_floor: Seq,
}

/// What tells a stream from another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamIdentity {
    /// When it was created, as the server says it.
    pub created: String,
    /// Its first sequence.
    pub first_seq: Seq,
    /// Its last sequence.
    pub last_seq: Seq,
}

/// A claimed shard.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What the lanes want to know.
    pub claimed: Claimed,
    /// The handler has begun here.
    pub fresh: bool,
    /// Why the progress was reset, where it was.
    pub reset: Option<String>,
    /// When the stream was created, as the last owner had it.
    pub stored_stream: Option<String>,
}

impl Claim {
    /// The owner that this claim makes.
    #[must_use]
    pub fn owner(&self, claiming: &Claiming<'_>) -> Owner {
        Owner {
            handler: claiming.handler.into(),
            run: claiming.run.into(),
            shard: claiming.shard,
            epoch: self.claimed.epoch,
        }
    }
}

/// Why progress must begin again in the stream that a claimer found.
pub(crate) fn why_reset(stream: &StreamIdentity, stored: &Stored) -> Option<String> {
    let StreamIdentity { created, last_seq, .. } = stream;
    let floor = stored.progress.floor;
    if *created != stored.stream_created {
        let before = &stored.stream_created;
        Some(format!("the stream was made anew: it was created at {created}, and the last owner's at {before}"))
    } else if *last_seq < floor {
        Some(format!("the stream ends at sequence {last_seq}, but everything up to {floor} was settled before"))
    } else {
        None
    }
}
