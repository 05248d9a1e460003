//! Seeded schedules: a stream, a store, processes that die or go on too long, and an oracle that knows the truth.
//!
//! `ROOMWIRE_SIM_RUNS=n` runs n schedules, from the seed in `ROOMWIRE_SIM_FIRST` on; `ROOMWIRE_SIM_SEED=n` replays one,
//! makes it as small as it can while the same thing goes wrong, and prints what happens in the small one.

mod actions;
mod dice;
mod gate;
mod oracle;
mod plan;
mod process;
mod reset;
mod settle;
mod shrink;
mod starts;
mod store;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use self::plan::{Plan, Sabotage};
use self::world::{Seen, World};

/// Schedules of each test run.
const RUNS: u64 = 8_000;

/// How often a long run says where it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Runs one schedule to its end.
fn run(seed: u64, sabotage: Sabotage) -> Result<Seen, String> {
    run_plan(&Plan::of(seed, sabotage), seed, false)
}

fn run_plan(plan: &Plan, seed: u64, trace: bool) -> Result<Seen, String> {
    let schedule = || {
        let mut world = World::new(plan.clone(), seed, trace);
        world.run().map(|()| world.seen)
    };
    match catch_unwind(AssertUnwindSafe(schedule)) {
        Ok(result) => result,
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "a panic".to_owned())),
    }
}

/// What goes wrong, without the numbers in it.
fn kind(words: &str) -> String {
    words.chars().filter(|letter| !letter.is_ascii_digit()).take(40).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_schedule_breaks_a_rule() {
    if let Some(seed) = number("ROOMWIRE_SIM_SEED") {
        return replay(seed);
    }
    let (first, count) = (number("ROOMWIRE_SIM_FIRST").unwrap_or(1), number("ROOMWIRE_SIM_RUNS").unwrap_or(RUNS));
    let mut seen = Seen::default();
    // By what is wrong, numbers left out: how often, and the first seed.
    let mut wrong: BTreeMap<String, (u64, u64, String)> = BTreeMap::new();
    let (began, mut said) = (Instant::now(), Instant::now());
    for seed in first..first + count {
        match run(seed, Sabotage::Nothing) {
            Ok(saw) => seen.add(&saw),
            Err(words) => wrong.entry(kind(&words)).or_insert((0, seed, words)).0 += 1,
        }
        if said.elapsed() > PROGRESS {
            said = Instant::now();
            let done = seed - first + 1;
            let speed = done / began.elapsed().as_secs().max(1);
            eprintln!("{done} of {count} schedules, {speed} a second, {} kinds of failures", wrong.len());
        }
    }
    println!("{count} schedules from seed {first} on: {seen:?}");
    for (times, seed, words) in wrong.values() {
        println!("{times} times: {words}\n    replay it with ROOMWIRE_SIM_SEED={seed}");
    }
    assert!(wrong.is_empty(), "schedules break rules: see above");
}

/// Replays a seed; if it fails, as small as it can be made.
fn replay(seed: u64) {
    let Some((plan, world, words)) = shrink::shrink(seed, Sabotage::Nothing) else {
        println!("{:#?}", Plan::of(seed, Sabotage::Nothing));
        let seen = run_plan(&Plan::of(seed, Sabotage::Nothing), seed, true);
        println!("seed {seed} breaks no rule: {seen:?}");
        return;
    };
    println!("{plan:#?}\nworld {world}:");
    let again = run_plan(&plan, world, true);
    panic!("seed {seed}: {words}\n    the small one above: {again:?}");
}

/// The oracle is worth something only if it notices what is wrong.
#[test]
fn each_sabotage_is_noticed() {
    for sabotage in Sabotage::ALL {
        let noticed = (1..20_000).find_map(|seed| run(seed, sabotage).err().map(|words| (seed, words)));
        let (seed, words) = noticed.unwrap_or_else(|| panic!("nobody notices {sabotage:?}"));
        println!("{sabotage:?} is noticed by seed {seed}: {words}");
    }
}

/// A schedule that fails becomes smaller, fails in the same way, and does so each time.
#[test]
fn a_failing_schedule_shrinks() {
    let sabotage = Sabotage::NoFence;
    let (seed, words) = (1..4_000).find_map(|seed| run(seed, sabotage).err().map(|words| (seed, words))).unwrap();
    let before = Plan::of(seed, sabotage);
    let (plan, world, small) = shrink::shrink(seed, sabotage).unwrap();
    assert_eq!(kind(&small), kind(&words));
    assert!(plan.messages < before.messages && plan.steps < before.steps, "{before:#?}\n{plan:#?}");
    assert_eq!(run_plan(&plan, world, false).unwrap_err(), small);
}
