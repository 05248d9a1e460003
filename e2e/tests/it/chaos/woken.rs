//! What a runner that slept knows when it is awake, by its log.

/// A shard that others have taken: handler, shard and the epoch under which the sleeper had it.
pub(super) type Taken = (String, u16, u64);

const CLAIMED: &str = "claimed a shard";

/// How the log says that a shard is not the runner's any more: that all of a handler's are gone, and that one is.
const LOST_ALL: &str = "lost all shards: the lease of this runner ran out";
const GONE: [&str; 2] =
    ["lost the shard: another owner claimed it", "giving a shard back: it is another runner's turn"];

/// Whether the log says of each that it is gone, after it said that it was claimed under that epoch. What it never said to
/// have claimed is not its own by what it knows: it slept, or its lease ran out, before the claim was answered.
pub(super) fn knows(log: &str, taken: &[Taken]) -> bool {
    taken.iter().all(|(handler, shard, epoch)| {
        let claimed = format!("{CLAIMED} handler={handler} shard={shard} epoch={epoch} ");
        let Some(since) = log.rfind(&claimed).and_then(|at| log.get(at..)) else { return log.contains(CLAIMED) };
        let of_all = format!("{LOST_ALL} handler={handler} ");
        let of_one = GONE.map(|words| format!("{words} handler={handler} shard={shard}"));
        since.lines().any(|line| line.contains(&of_all) || of_one.iter().any(|words| line.ends_with(words)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_knows_what_it_said_to_have_lost_since_it_claimed_it() {
        let claimed = |shard, epoch| {
            format!(
                "INFO runner::handler::claim: claimed a shard handler=busy shard={shard} epoch={epoch} floor=9 suspects=0 lanes=0\n"
            )
        };
        let lost_all =
            "WARN runner::handler: lost all shards: the lease of this runner ran out handler=busy shards=[2]\n";
        let lost = "WARN runner::handler: lost the shard: another owner claimed it handler=busy shard=2\n";
        let given = "INFO runner::handler: giving a shard back: it is another runner's turn handler=busy shard=2\n";
        let other =
            "WARN runner::handler: lost all shards: the lease of this runner ran out handler=busybody shards=[2]\n";
        let tenth = "WARN runner::handler: lost the shard: another owner claimed it handler=busy shard=20\n";
        let of_2 = claimed(2, 16);
        for (log, known) in [
            (of_2.clone(), false),
            (of_2.clone() + lost_all, true),
            (of_2.clone() + lost, true),
            (of_2.clone() + given, true),
            (of_2.clone() + other + tenth, false),
            (lost_all.to_owned() + lost + &of_2, false),
            // It had lost it before it slept, and claimed it again since.
            (of_2.clone() + lost + &claimed(2, 18), true),
            (of_2.clone() + &claimed(2, 18), false),
            // Its claim was not answered yet; but who has claimed nothing at all says nothing.
            (claimed(2, 15) + lost, true),
            (claimed(1, 16), true),
            (String::new(), false),
        ] {
            assert_eq!(knows(&log, &[("busy".to_owned(), 2, 16)]), known, "{log}");
        }
        assert!(knows("", &[]));
        assert!(!knows(
            &(of_2.clone() + &claimed(3, 22) + lost),
            &[("busy".to_owned(), 2, 16), ("busy".to_owned(), 3, 22)]
        ));
    }
}
