//! What is done to the system, and when: everything follows from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// Runners of the system.
pub(super) const RUNNERS: usize = 3;

/// What is struck at a time.
const AT_ONCE: usize = 4;

/// Strikes of a round begin within this time.
const BEGIN_WITHIN: u64 = 3_000;

/// A runner's lease is over after this, and its shards are another's soon.
const LEASE: u64 = 6_500;

/// A connection that goes through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// From the senders to the receiver.
    Webhooks,
    /// From the receiver to NATS.
    ReceiverNats,
    /// From a runner to NATS.
    RunnerNats(usize),
    /// From a runner to the database.
    RunnerDatabase(usize),
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// It is closed.
    Cut,
    /// Nothing passes, and everything arrives later.
    Stall,
    /// What the server answers is lost; then it is closed.
    SwallowAnswers,
    /// What the client sends is lost; then it is closed.
    SwallowRequests,
    /// It is closed, and no new one is let in.
    Refuse,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGKILL; another one starts when the strike is over.
    KillRunner(usize),
    /// SIGSTOP, then SIGCONT.
    PauseRunner(usize),
    /// SIGTERM, and its end is waited for.
    StopRunner(usize),
    /// SIGKILL.
    KillReceiver,
    /// SIGKILL.
    KillNats,
    /// SIGKILL.
    KillDatabase,
    /// On a connection.
    Harm(Link, Harm),
}

/// A deed with its times, counted from the beginning of its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) begins: Duration,
    pub(super) lasts: Duration,
    pub(super) deed: Deed,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {:.1?} for {:.1?}", self.deed, self.begins, self.lasts)
    }
}

/// What two strikes of a round may not have in common.
#[derive(PartialEq, Eq)]
enum Target {
    Runner(usize),
    Receiver,
    Nats,
    Database,
    Webhooks,
}

impl Deed {
    fn targets(self) -> Vec<Target> {
        match self {
            Self::KillRunner(n)
            | Self::PauseRunner(n)
            | Self::StopRunner(n)
            | Self::Harm(Link::RunnerNats(n) | Link::RunnerDatabase(n), _) => vec![Target::Runner(n)],
            Self::KillReceiver | Self::Harm(Link::ReceiverNats, _) => vec![Target::Receiver],
            Self::KillNats => vec![Target::Nats],
            Self::KillDatabase => vec![Target::Database],
            Self::Harm(Link::Webhooks, _) => vec![Target::Webhooks],
        }
    }

    /// How long it lasts, where nothing lasts longer than `longest`.
    fn lasts(self, rng: &mut Rng, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let (from, to) = match self {
            // Long enough for the others to take over, which is what is to be seen.
            Self::PauseRunner(_) => (LEASE, longest.max(LEASE + 1_000)),
            Self::KillRunner(_) | Self::StopRunner(_) => (0, longest / 2),
            Self::KillReceiver | Self::KillNats | Self::KillDatabase => (0, longest / 4),
            Self::Harm(_, Harm::Cut) => (0, 1),
            Self::Harm(..) => (200, longest / 3),
        };
        Duration::from_millis(rng.u64(from..=to.max(from)))
    }
}

/// So many rounds. Every kind of deed comes once before any comes twice, so that a short plan has all of them.
pub(super) fn plan(seed: u64, rounds: usize, longest: Duration) -> Vec<Vec<Strike>> {
    let (mut rng, mut deck) = (Rng::with_seed(seed), Vec::new());
    (0..rounds).map(|_| round(&mut rng, &mut deck, longest)).collect()
}

fn round(rng: &mut Rng, deck: &mut Vec<usize>, longest: Duration) -> Vec<Strike> {
    let (mut strikes, mut passed_over) = (Vec::<Strike>::new(), Vec::new());
    while strikes.len() < AT_ONCE {
        if deck.is_empty() {
            deck.extend(0..KINDS);
            rng.shuffle(deck);
        }
        let Some(kind) = deck.pop() else { break };
        // Where its target is struck already, another of its kind; in the end, the kind comes first in the next round.
        let free = (0..20).map(|_| deed(kind, rng)).find(|deed| {
            let targets = deed.targets();
            strikes.iter().all(|strike| strike.deed.targets().iter().all(|taken| !targets.contains(taken)))
        });
        let Some(deed) = free else {
            passed_over.push(kind);
            continue;
        };
        let begins = Duration::from_millis(rng.u64(0..BEGIN_WITHIN));
        strikes.push(Strike { begins, lasts: deed.lasts(rng, longest), deed });
    }
    deck.extend(passed_over);
    strikes
}

const KINDS: usize = 11;

fn deed(kind: usize, rng: &mut Rng) -> Deed {
    let runner = rng.usize(..RUNNERS);
    let harm = match kind {
        0 => return Deed::KillRunner(runner),
        1 => return Deed::PauseRunner(runner),
        2 => return Deed::StopRunner(runner),
        3 => return Deed::KillReceiver,
        4 => return Deed::KillNats,
        5 => return Deed::KillDatabase,
        6 => Harm::Cut,
        7 => Harm::Stall,
        8 => Harm::SwallowAnswers,
        9 => Harm::SwallowRequests,
        _ => Harm::Refuse,
    };
    let link = match rng.usize(..4) {
        0 => Link::Webhooks,
        1 => Link::ReceiverNats,
        2 => Link::RunnerNats(runner),
        _ => Link::RunnerDatabase(runner),
    };
    Deed::Harm(link, harm)
}

#[test]
fn a_plan_follows_from_its_seed_and_has_every_kind_of_deed_in_few_rounds() {
    let longest = Duration::from_secs(8);
    assert_eq!(plan(7, 5, longest), plan(7, 5, longest));
    assert_ne!(plan(7, 5, longest), plan(8, 5, longest));
    for seed in 0..200 {
        let plan = plan(seed, 4, longest);
        let kinds: std::collections::HashSet<String> = plan
            .iter()
            .flatten()
            .map(|strike| match strike.deed {
                Deed::Harm(_, harm) => format!("{harm:?}"),
                deed => format!("{:?}", std::mem::discriminant(&deed)),
            })
            .collect();
        assert_eq!(kinds.len(), KINDS, "{seed}: {plan:?}");
        for round in &plan {
            let struck: Vec<Target> = round.iter().flat_map(|strike| strike.deed.targets()).collect();
            let twice = struck.iter().enumerate().any(|(n, one)| struck.iter().skip(n + 1).any(|other| one == other));
            assert!(!twice && round.iter().all(|strike| strike.lasts <= longest), "{seed}: {round:?}");
        }
    }
}
