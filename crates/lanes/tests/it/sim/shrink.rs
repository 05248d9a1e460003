//! Makes a failing schedule small: fewer of everything, as long as the same thing goes wrong.

use std::time::{Duration, Instant};

use lanes::{Bounds, OnDead, Order};

use super::plan::{Plan, Sabotage};
use super::{kind, run_plan};

/// How long it is tried.
const LONGEST: Duration = Duration::from_mins(1);

/// Worlds that are tried for one smaller plan.
const WORLDS: u64 = 25;

/// The smallest plan that was found, and the seed of its world.
pub(crate) fn shrink(seed: u64, sabotage: Sabotage) -> Option<(Plan, u64, String)> {
    let began = Instant::now();
    let plan = Plan::of(seed, sabotage);
    let words = run_plan(&plan, seed, false).err()?;
    let wanted = kind(&words);
    let mut best = (plan, seed, words);
    // The same world first: another one may need many tries.
    while let Some(smaller) = step(&best.0, &wanted, &[best.1], began)
        .or_else(|| step(&best.0, &wanted, &(1..=WORLDS).collect::<Vec<_>>(), began))
    {
        best = smaller;
    }
    Some(best)
}

fn step(plan: &Plan, wanted: &str, worlds: &[u64], began: Instant) -> Option<(Plan, u64, String)> {
    for plan in smaller(plan) {
        for &world in worlds {
            if began.elapsed() > LONGEST {
                return None;
            }
            match run_plan(&plan, world, false) {
                Err(words) if kind(&words) == wanted => return Some((plan, world, words)),
                _ => {}
            }
        }
    }
    None
}

/// Plans with less of one thing.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut propose = |change: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        if format!("{other:?}") != format!("{plan:?}") {
            plans.push(other);
        }
    };
    propose(&|plan| plan.steps /= 2);
    propose(&|plan| plan.steps = plan.steps * 4 / 5);
    propose(&|plan| plan.messages = plan.messages.div_ceil(2));
    propose(&|plan| plan.messages = plan.messages.max(2) - 1);
    propose(&|plan| plan.processes = 1);
    propose(&|plan| plan.shards = 1);
    propose(&|plan| plan.keys = 1);
    for at in 0..plan.weights.len() {
        propose(&|plan| plan.weights[at] = 0);
    }
    for at in 1..plan.outcomes.len() {
        propose(&|plan| plan.outcomes[at] = 0);
    }
    let faults: [fn(&mut Plan) -> &mut u64; 7] = [
        |plan| &mut plan.duplicates,
        |plan| &mut plan.killers,
        |plan| &mut plan.deleted,
        |plan| &mut plan.lost,
        |plan| &mut plan.unavailable,
        |plan| &mut plan.poison,
        |plan| &mut plan.blind,
    ];
    for fault in faults {
        propose(&|plan| *fault(plan) = 0);
    }
    propose(&|plan| plan.takes = 100);
    propose(&|plan| plan.base = 0);
    propose(&|plan| plan.chunk = 1);
    propose(&|plan| plan.redrive_all = false);
    propose(&|plan| plan.rules.rate = None);
    propose(&|plan| plan.rules.breaker = None);
    propose(&|plan| plan.rules.retry.jitter = 0.0);
    propose(&|plan| plan.rules.order = Order::Room);
    propose(&|plan| plan.rules.on_dead = OnDead::Continue);
    propose(&|plan| plan.rules.bounds = Bounds::default());
    propose(&|plan| plan.steps = plan.steps.max(1) - 1);
    plans.retain(|plan| plan.weights.iter().any(|&weight| weight > 0));
    plans
}
