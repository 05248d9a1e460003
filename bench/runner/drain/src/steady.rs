//! Latencies at a few rates, and what bad or many neighbours do to them.

use std::sync::Arc;

use anyhow::Result;
use bench_receiver::bodies;
use bench_receiver::report::median;
use bench_receiver::signed::Signed;
use serde_json::json;

use crate::backlog::Backlog;
use crate::contestant::{Contestant, Programs};
use crate::latency::{Latencies, Steady};
use crate::measure::{Course, Measured};
use crate::site;
use crate::size::Size;
use crate::state::{HANDLER, Prefilled};
use crate::table::{Table, number};

/// Webhooks a second.
const RATES: [u32; 3] = [100, 1_000, 3_000];

/// Rooms of the part with a poison room, and which of them it is.
const ROOMS: usize = 1_000;
const POISON: usize = 7;

/// Webhooks a second in that part.
const POISON_RATE: u32 = 1_000;

/// Handlers of the part about acknowledgements, and webhooks a second in it: all handlers together do fifty times as many.
/// At the second rate the runner has hardly done what came of one webhook when the next one comes.
const MANY: usize = 50;
const MANY_RATES: [u32; 2] = [20, 100];

/// Latencies, and a drain.
type Both = (Latencies, Measured);

/// One value of what was measured.
type Of<T> = fn(&T) -> f64;

/// From a webhook to its commit, at each rate.
pub(crate) async fn latencies(size: &Size, programs: &Programs, prefilled: &Prefilled) -> Result<String> {
    let mut measured: Vec<Vec<Latencies>> = RATES.map(|_| Vec::new()).into();
    for _ in 0..size.steady_rounds {
        for (rate, measured) in RATES.iter().zip(&mut measured) {
            let count = size.steady_s * *rate as usize;
            let handlers = vec![site::event_log(programs)];
            let signed = Arc::new(Signed::make(count)?);
            let (counts, due) = (|_| true, count as u64);
            let steady = Steady { programs, prefilled, handlers, bare: 0, signed, rate: *rate, counts, due };
            let latencies = Box::pin(steady.measure()).await?;
            eprintln!("==> {rate} ev/s: {latencies}");
            measured.push(latencies);
        }
    }
    let columns =
        ["webhooks a second", "committed p50 ms", "p99", "p99.9", "answered p50 ms", "p99", "p99.9", "disk alone ms"];
    let mut table = Table::new("From a webhook to its commit", &columns);
    for (rate, rounds) in RATES.iter().zip(&measured) {
        let of = |value: fn(&Latencies) -> f64| {
            let (least, most) = rounds.iter().map(value).fold((f64::MAX, 0.0), |(a, b), of| (of.min(a), of.max(b)));
            format!("{} ({least:.2} to {most:.2})", number(median(rounds.iter().map(value).collect()), 2))
        };
        table.row(&[
            rate.to_string(),
            of(|of| of.committed.p50),
            of(|of| of.committed.p99),
            of(|of| of.committed.p999),
            of(|of| of.answered.p50),
            of(|of| of.answered.p99),
            of(|of| of.answered.p999),
            of(|of| of.disk),
        ]);
    }
    Ok(table.text())
}

/// One room whose events trap each time, among many: what of it the others notice.
pub(crate) async fn poison(size: &Size, programs: &Programs, prefilled: &Prefilled) -> Result<String> {
    let (mut calm, mut poisoned) = (Vec::new(), Vec::new());
    for pair in 0..size.pairs {
        // In turn, so that neither is always the first.
        for bad in if pair % 2 == 0 { [false, true] } else { [true, false] } {
            let both = both(size, programs, prefilled, bad).await?;
            let (latencies, drained) = &both;
            let name = if bad { "a poison room" } else { "no poison room" };
            eprintln!("==> pair {}/{}, {name}: {latencies}; drained {drained}", pair + 1, size.pairs);
            if bad { poisoned.push(both) } else { calm.push(both) }
        }
    }
    let columns = ["of the other rooms", "without", "with a poison room", "ratio, median of pairs"];
    let mut table = Table::new("A poison room among 1,000", &columns);
    let rows: [(&str, Of<Both>, usize); 5] = [
        ("committed p50 ms", |(of, _)| of.committed.p50, 2),
        ("committed p99 ms", |(of, _)| of.committed.p99, 2),
        ("answered p99 ms", |(of, _)| of.answered.p99, 2),
        ("ev/s at 1,000 ev/s", |(of, _)| of.rate, 0),
        ("ev/s of a drain", |(_, of)| of.rate, 0),
    ];
    for (name, value, digits) in rows {
        let of = |rounds: &[Both]| number(median(rounds.iter().map(value).collect()), digits);
        let ratio = median(poisoned.iter().zip(&calm).map(|(bad, calm)| value(bad) / value(calm)).collect());
        table.row(&[name.to_owned(), of(&calm), of(&poisoned), number(ratio, 2)]);
    }
    Ok(table.text())
}

/// Latencies and a drain.
async fn both(size: &Size, programs: &Programs, prefilled: &Prefilled, bad: bool) -> Result<Both> {
    let others = |count: usize| (0..count).filter(|n| n % ROOMS != POISON).count() as u64;
    let config = if bad { json!({ (format!("room:{}", bodies::room(POISON))): "trap" }) } else { json!({}) };
    let handlers = vec![site::handler(HANDLER, &programs.plugins.join("behave.wasm"), &config)];
    let count = size.steady_s * POISON_RATE as usize;
    let due = if bad { others(count) } else { count as u64 };
    let steady = Steady {
        programs,
        prefilled,
        handlers: handlers.clone(),
        bare: 0,
        signed: Arc::new(Signed::in_rooms(count, ROOMS)?),
        rate: POISON_RATE,
        counts: |n| n % ROOMS != POISON,
        due,
    };
    let latencies = Box::pin(steady.measure()).await?;
    let backlog = Backlog::in_rooms(size.curve_events, ROOMS)?;
    let due = if bad { others(backlog.len()) } else { backlog.len() as u64 };
    let course = Course { programs, prefilled, backlog: &backlog, handlers, due };
    Ok((latencies, Box::pin(course.drain(Contestant::Sqlite)).await?))
}

/// How long the receiver waits for its acknowledgements beside one handler and beside many.
pub(crate) async fn acknowledgements(size: &Size, programs: &Programs, prefilled: &Prefilled) -> Result<String> {
    let columns = [
        "webhooks a second",
        "",
        "1 handler",
        "and 50 bare consumers × 4 shards",
        "50 handlers × 4 shards",
        "bare ÷ 1 handler",
        "50 handlers ÷ 1",
    ];
    let mut table = Table::new("What many handlers cost the receiver", &columns);
    let rows: [(&str, Of<Latencies>); 4] = [
        ("answered p50 ms", |of| of.answered.p50),
        ("answered p99 ms", |of| of.answered.p99),
        ("committed p50 ms, of one handler", |of| of.committed.p50),
        ("committed p99 ms, of one handler", |of| of.committed.p99),
    ];
    for rate in MANY_RATES {
        let rounds = beside(size, programs, prefilled, rate).await?;
        for (name, value) in rows {
            let of = |neighbours: usize| rounds.iter().map(move |round| round.get(neighbours).map_or(f64::NAN, value));
            let ratio = |neighbours| median(of(neighbours).zip(of(0)).map(|(many, one)| many / one).collect());
            let mut cells = vec![rate.to_string(), name.to_owned()];
            cells.extend([0, 1, 2].map(|neighbours| number(median(of(neighbours).collect()), 2)));
            cells.extend([1, 2].map(|neighbours| number(ratio(neighbours), 2)));
            table.row(&cells);
        }
    }
    Ok(table.text())
}

/// In each round beside one handler, beside one and bare consumers, and beside many handlers.
async fn beside(size: &Size, programs: &Programs, prefilled: &Prefilled, rate: u32) -> Result<Vec<[Latencies; 3]>> {
    let plugin = programs.plugins.join("event_log.wasm");
    let named = |n: usize| if n == 0 { HANDLER.to_owned() } else { format!("{HANDLER}-{n}") };
    let mut rounds = Vec::new();
    for round in 0..size.acks_rounds {
        let mut latencies = [Latencies::default(); 3];
        let mut turns: Vec<_> = [(1, 0), (1, MANY), (MANY, 0)].into_iter().zip(&mut latencies).collect();
        // None of them is always the first.
        turns.rotate_left(round % 3);
        for ((count, bare), latencies) in turns {
            let handlers =
                (0..count).map(|n| site::handler(&named(n), &plugin, &json!({ "level": "debug" }))).collect();
            let events = size.steady_s * rate as usize;
            let signed = Arc::new(Signed::make(events)?);
            let due = (events * count) as u64;
            let steady = Steady { programs, prefilled, handlers, bare, signed, rate, counts: |_| true, due };
            *latencies = Box::pin(steady.measure()).await?;
            eprintln!("==> {count} handlers, {bare} bare consumers, {rate} ev/s: {latencies}");
        }
        rounds.push(latencies);
    }
    Ok(rounds)
}
