//! The same backlog to the runner and to workers that are written by hand, in turn.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bench_receiver::report::median;

use crate::backlog::Backlog;
use crate::contestant::{Contestant, Programs, Synchronous};
use crate::measure::{Course, Measured};
use crate::size::Size;
use crate::state::Prefilled;
use crate::table::{Table, number};

/// How often a measurement is tried.
const ATTEMPTS: usize = 3;

/// The two that everybody is compared with.
const EACH: Contestant = Contestant::Node(1, Synchronous::Full);
const BATCHED: Contestant = Contestant::Node(250, Synchronous::Full);

/// All measurements, round by round.
type Results = HashMap<Contestant, Vec<Measured>>;

/// Measures them.
pub(crate) async fn compare(
    size: &Size,
    programs: &Programs,
    prefilled: &Prefilled,
    contestants: &[Contestant],
) -> Result<String> {
    let backlog = Backlog::make(size.events)?;
    let mut results = Results::new();
    for round in 1..=size.rounds {
        // In each round everybody in turn, so that a slow minute of the machine is nobody's.
        for contestant in contestants {
            let measured = surely(*contestant, &Course::plain(programs, prefilled, &backlog)).await?;
            eprintln!("==> round {round}/{}, {contestant}: {measured}", size.rounds);
            results.entry(*contestant).or_default().push(measured);
        }
    }
    Ok(markdown(contestants, &results))
}

/// One measurement. What fails on a machine that is busy otherwise is made again, so that it does not end all the others.
async fn surely(contestant: Contestant, course: &Course<'_>) -> Result<Measured> {
    for _ in 1..ATTEMPTS {
        match Box::pin(course.drain(contestant)).await {
            Ok(measured) => return Ok(measured),
            Err(error) => eprintln!("==> {contestant}: {error:#}; measuring again"),
        }
    }
    Box::pin(course.drain(contestant)).await.with_context(|| format!("{contestant}, {ATTEMPTS} times"))
}

fn markdown(contestants: &[Contestant], results: &Results) -> String {
    let columns = ["worker", "ev/s", "CPU µs/event", "peak MB", "ev/s ÷ Node, each", "ev/s ÷ Node, 250"];
    let mut table = Table::new("Draining a backlog", &columns);
    for of in contestants {
        let rounds = results.get(of).map(Vec::as_slice).unwrap_or_default();
        let value = |value: fn(&Measured) -> f64, digits| number(median(rounds.iter().map(value).collect()), digits);
        let ratio = |to| {
            let others = results.get(&to).map(Vec::as_slice).unwrap_or_default();
            number(median(rounds.iter().zip(others).map(|(one, other)| one.rate / other.rate).collect()), 2)
        };
        table.row(&[
            name(*of),
            value(|measured| measured.rate, 0),
            value(|measured| measured.cpu_us, 1),
            value(|measured| measured.peak_mb, 0),
            ratio(EACH),
            ratio(BATCHED),
        ]);
    }
    table.text()
}

fn name(of: Contestant) -> String {
    match of {
        Contestant::Sqlite => "**Roomwire**, SQLite FULL".to_owned(),
        Contestant::Postgres => "**Roomwire**, PostgreSQL".to_owned(),
        Contestant::Node(batch, synchronous) => {
            let batch = if batch == 1 { "each event".to_owned() } else { format!("{batch} events") };
            let synchronous = if synchronous == Synchronous::Full { "FULL" } else { "NORMAL" };
            format!("Node, {batch} a transaction, SQLite {synchronous}")
        }
    }
}

#[test]
fn a_row_has_its_medians_and_what_it_is_of_the_others() {
    let measured = |rate| Measured { rate, cpu_us: 12.34, peak_mb: 80.4 };
    let results = Results::from([
        (Contestant::Sqlite, vec![measured(300.0), measured(100.0), measured(200.0)]),
        (EACH, vec![measured(100.0), measured(50.0), measured(50.0)]),
    ]);
    let text = markdown(&[Contestant::Sqlite, EACH], &results);
    assert!(text.contains("| **Roomwire**, SQLite FULL | 200 | 12.3 | 80 | 3.00 | – |\n"), "{text}");
    assert!(text.contains("| Node, each event a transaction, SQLite FULL | 50 | 12.3 | 80 | 1.00 | – |\n"), "{text}");
}
