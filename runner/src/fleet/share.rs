//! The rule by which runners share the shards: even, for each handler and over all of them.

use std::collections::BTreeMap;

use lanes::Shard;
use store::{Fleet, Member};

use super::Standing;

/// What a runner is to do about the shards of one handler.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) claim: Vec<Shard>,
    pub(super) give_back: Vec<Shard>,
}

/// What `me` is to do about the shards `sources` of a handler, of which those in `standing` are its own.
pub(super) fn change(
    fleet: &Fleet,
    me: &str,
    handler: &str,
    sources: &[Shard],
    standing: &BTreeMap<Shard, Standing>,
) -> Change {
    let Some((share, place)) = share(&fleet.members, me, handler) else { return Change::default() };
    let ours = standing.values().filter(|standing| **standing != Standing::Leaving).count();
    if ours > share {
        // Those at the end, so that what stays is the same from beat to beat.
        let owned = standing.iter().rev().filter(|(_, standing)| **standing == Standing::Owned);
        let give_back = owned.map(|(shard, _)| *shard).take(ours - share).collect();
        return Change { claim: Vec::new(), give_back };
    }
    let is_free = |shard: &Shard| {
        let owner = fleet.taken.get(&(handler.to_owned(), *shard));
        // What is ours by the store's word, and does not stand here, is left of a claim that went wrong.
        !standing.contains_key(shard) && owner.is_none_or(|owner| owner == me)
    };
    let mut claim: Vec<Shard> = sources.iter().copied().filter(is_free).collect();
    // Several that take what is free at the same time begin at different places.
    if !claim.is_empty() {
        let first = place * share % claim.len();
        claim.rotate_left(first);
    }
    claim.truncate(share - ours);
    Change { claim, give_back: Vec::new() }
}

/// How many shards of the handler fall to `me`, and its place among the runners that run it; none where it does not.
///
/// Each of them has as many as the others, or one more. Who has one more goes round from handler to handler, so that the
/// sums are even too.
fn share(members: &[Member], me: &str, handler: &str) -> Option<(usize, usize)> {
    let mut shards: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        for (name, count) in &member.handlers {
            let most = shards.entry(name).or_default();
            *most = (*most).max(usize::from(*count));
        }
    }
    let mut dealt = 0;
    for (name, count) in shards {
        let mut runners: Vec<&str> = members
            .iter()
            .filter(|member| member.handlers.contains_key(name))
            .map(|member| member.name.as_str())
            .collect();
        runners.sort_unstable();
        let (all, more) = (count / runners.len(), count % runners.len());
        if name == handler {
            let place = runners.iter().position(|runner| *runner == me)?;
            let turn = (place + runners.len() - dealt % runners.len()) % runners.len();
            return Some((all + usize::from(turn < more), place));
        }
        dealt += more;
    }
    None
}

#[cfg(test)]
mod tests;
