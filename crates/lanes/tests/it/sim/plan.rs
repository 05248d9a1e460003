//! What one schedule is like: rules, sizes and the faults that happen.

use std::num::{NonZeroU16, NonZeroU32};

use lanes::{Bounds, Breaker, OnDead, Order, Rate, Retry, Rules};

use super::dice::Dice;

/// Something made wrong on purpose, to see that the oracle notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    Nothing,
    /// The store takes commits of owners that are not the owner any more.
    NoFence,
    /// The store writes the rows of a commit it refuses.
    NotAtomic,
    /// The ledger takes an identity twice.
    NoLedger,
    /// Failed attempts are not kept.
    ForgetsAttempts,
    /// Parked lanes are not told to the next owner.
    ForgetsLanes,
    /// Marks of a lone run are not kept.
    ForgetsLoneMark,
    /// Lost deliveries are hidden: consumer sequences are made contiguous.
    HidesLosses,
    /// The server says that nothing is pending before everything has arrived.
    QuietTooSoon,
    /// Pauses are not told to the next process.
    ForgetsPauses,
    /// What waits or is dead keeps the numbers that it had in a stream that is gone.
    KeepsNumbers,
    /// Progress goes on where it was in a stream that is gone.
    KeepsFloor,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 11] = [
        Self::NoFence,
        Self::NotAtomic,
        Self::NoLedger,
        Self::ForgetsAttempts,
        Self::ForgetsLanes,
        Self::ForgetsLoneMark,
        Self::HidesLosses,
        Self::QuietTooSoon,
        Self::ForgetsPauses,
        Self::KeepsNumbers,
        Self::KeepsFloor,
    ];
}

/// What may happen in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Publish,
    Deliver,
    Look,
    Answer,
    Finish,
    Quiet,
    Time,
    Reconnect,
    Crash,
    Fence,
    Redrive,
    Drain,
    Rules,
    Pause,
    Skip,
    GiveBack,
    Reset,
}

pub(crate) const ACTIONS: [Action; 17] = [
    Action::Publish,
    Action::Deliver,
    Action::Look,
    Action::Answer,
    Action::Finish,
    Action::Quiet,
    Action::Time,
    Action::Reconnect,
    Action::Crash,
    Action::Fence,
    Action::Redrive,
    Action::Drain,
    Action::Rules,
    Action::Pause,
    Action::Skip,
    Action::GiveBack,
    Action::Reset,
];

/// Weights and shares of what happens.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rules: Rules,
    pub(crate) shards: u16,
    /// Runner processes at a time.
    pub(crate) processes: usize,
    /// Where the handler begins: what is before it is none of its business.
    pub(crate) base: u64,
    pub(crate) keys: usize,
    pub(crate) chunk: usize,
    pub(crate) steps: usize,
    pub(crate) messages: usize,
    /// Weights of actions, in the order of [`ACTIONS`].
    pub(crate) weights: [u64; ACTIONS.len()],
    pub(crate) duplicates: u64,
    pub(crate) killers: u64,
    pub(crate) takes: u64,
    pub(crate) deleted: u64,
    pub(crate) lost: u64,
    pub(crate) unavailable: u64,
    pub(crate) poison: u64,
    pub(crate) blind: u64,
    /// Keys that an invocation has read are changed before its commit.
    pub(crate) changed: u64,
    /// Weights of done, skipped, retry, wish, permanent, crash, host failed, conflict.
    pub(crate) outcomes: [u64; 8],
    /// A failed attempt that is written twice is refused as ours, or written over.
    pub(crate) strict_attempts: bool,
    pub(crate) redrive_all: bool,
    pub(crate) sabotage: Sabotage,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64, sabotage: Sabotage) -> Self {
        let dice = &mut Dice::new(!seed);
        let rules = rules(dice);
        let gentle = dice.percent(25);
        let fault = |dice: &mut Dice, most: u64| if gentle || dice.percent(40) { 0 } else { dice.from(1, most) };
        let weights = [
            dice.pick(&[10, 20, 40]),  // publish
            dice.pick(&[20, 40, 80]),  // deliver
            dice.pick(&[20, 60, 150]), // look at the store
            dice.pick(&[20, 60, 150]), // answer
            dice.pick(&[10, 40, 100]), // finish
            dice.pick(&[0, 5, 20]),    // quiet
            dice.pick(&[5, 20, 40]),   // time
            fault(dice, 3),            // reconnect
            fault(dice, 3),            // crash
            fault(dice, 4),            // fence
            dice.pick(&[0, 5, 20]),    // redrive
            fault(dice, 1),            // drain
            fault(dice, 5),            // rules
            fault(dice, 2),            // pause, or go on
            dice.pick(&[0, 0, 10]),    // skip
            fault(dice, 3),            // give one shard back
            fault(dice, 1),            // a stream is wiped or restored
        ];
        Self {
            rules,
            shards: dice.pick(&[1, 1, 2, 3]),
            processes: dice.pick(&[1, 1, 2, 3]),
            base: dice.pick(&[0, 0, 7]),
            keys: dice.pick(&[1, 2, 3, 6]),
            chunk: dice.pick(&[1, 3, 8]),
            steps: dice.pick(&[100, 400, 1_500]),
            messages: dice.pick(&[5, 15, 40, 100]),
            weights,
            duplicates: dice.pick(&[0, 10, 40]),
            killers: fault(dice, 6),
            takes: dice.pick(&[50, 90, 100]),
            deleted: dice.pick(&[0, 5, 30]),
            lost: fault(dice, 15),
            unavailable: fault(dice, 30),
            poison: fault(dice, 15),
            blind: fault(dice, 20),
            changed: fault(dice, 30),
            outcomes: [
                dice.pick(&[1, 5, 20]),
                dice.pick(&[0, 1]),
                dice.pick(&[0, 1, 5]),
                dice.pick(&[0, 0, 2]),
                dice.pick(&[0, 1, 3]),
                dice.pick(&[0, 1, 3]),
                dice.pick(&[0, 0, 1]),
                dice.pick(&[0, 0, 3]),
            ],
            strict_attempts: dice.percent(50),
            redrive_all: dice.percent(60),
            sabotage,
        }
    }
}

fn rules(dice: &mut Dice) -> Rules {
    Rules {
        order: dice.pick(&[Order::Room, Order::Room, Order::Room, Order::None]),
        on_dead: dice.pick(&[OnDead::Continue, OnDead::Hold]),
        concurrency: concurrency(dice),
        retry: Retry {
            for_ms: dice.pick(&[0, 500, 5_000, 60_000]),
            initial_ms: dice.pick(&[1, 50, 1_000]),
            max_ms: dice.pick(&[1_000, 10_000]),
            jitter: dice.pick(&[0.0, 0.2, 1.0]),
            crash_attempts: NonZeroU32::new(dice.pick(&[1, 2, 3])).unwrap(),
        },
        breaker: breaker(dice),
        rate: rate(dice),
        bounds: bounds(dice),
        gather_ms: dice.pick(&[0, 5, 50]),
    }
}

pub(crate) fn concurrency(dice: &mut Dice) -> NonZeroU32 {
    NonZeroU32::new(dice.pick(&[1, 2, 4])).unwrap()
}

pub(crate) fn bounds(dice: &mut Dice) -> Bounds {
    Bounds {
        events: dice.pick(&[1, 4, 16, 100]),
        bytes: dice.pick(&[50, 100_000]),
        lane_events: dice.pick(&[1, 3, 100]),
        park_after_ms: dice.pick(&[0, 100, 5_000]),
        lane_patience_ms: dice.pick(&[0, 0, 100]),
    }
}

fn breaker(dice: &mut Dice) -> Option<Breaker> {
    let keys = dice.pick(&[0, 0, 1, 2, 3]);
    Some(Breaker {
        keys: NonZeroU32::new(keys)?,
        initial_ms: dice.pick(&[1, 100, 2_000]),
        max_ms: dice.pick(&[2_000, 30_000]),
    })
}

pub(crate) fn rate(dice: &mut Dice) -> Option<Rate> {
    let events = dice.pick(&[0, 0, 0, 1, 20]);
    Some(Rate { events: NonZeroU32::new(events)?, per_ms: dice.pick(&[10, 1_000]), shards: NonZeroU16::new(4)? })
}
