//! What an event costs with ever more rooms, ever more handlers, and in each language.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bench_receiver::report::median;
use serde_json::json;

use crate::backlog::Backlog;
use crate::contestant::{Contestant, Programs};
use crate::measure::{Course, Measured};
use crate::site::{self, merge};
use crate::size::Size;
use crate::state::{HANDLER, Prefilled};
use crate::table::{Table, number};

/// Rooms that the events belong to.
const ROOMS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Handlers that take all events.
const HANDLERS: [usize; 5] = [1, 2, 5, 20, 50];

/// The examples that do the same.
const LANGUAGES: [&str; 8] =
    ["rust", "c", "go", "typescript", "python", "command-rust", "command-c", "command-javascript"];

/// One point of a curve: its name, and what was measured in each round.
type Point = (String, Vec<Measured>);

/// Over rooms.
pub(crate) async fn rooms(size: &Size, programs: &Programs, prefilled: &Prefilled) -> Result<String> {
    let mut points = Vec::new();
    for rooms in ROOMS {
        points.push((rooms.to_string(), Backlog::in_rooms(size.curve_events.max(rooms), rooms)?, Vec::new()));
    }
    for _ in 0..size.curve_rounds {
        for (name, backlog, measured) in &mut points {
            measured.push(told("rooms", name, Course::plain(programs, prefilled, backlog)).await?);
        }
    }
    let points: Vec<Point> = points.into_iter().map(|(name, _, measured)| (name, measured)).collect();
    Ok(curve("Rooms", "rooms", &points))
}

/// Over handlers, each of which takes every event.
pub(crate) async fn handlers(size: &Size, programs: &Programs, prefilled: &Prefilled) -> Result<String> {
    let mut points: Vec<Point> = HANDLERS.map(|count| (count.to_string(), Vec::new())).into();
    for _ in 0..size.curve_rounds {
        for (count, (name, measured)) in HANDLERS.iter().zip(&mut points) {
            // Each drain settles about as many.
            let backlog = Backlog::make((size.curve_events * 2 / count).max(2_000))?;
            let plugin = programs.plugins.join("event_log.wasm");
            let named = |n: usize| if n == 0 { HANDLER.to_owned() } else { format!("{HANDLER}-{n}") };
            let of = |n| site::handler(&named(n), &plugin, &json!({ "level": "debug" }));
            let handlers: Vec<_> = (0..*count).map(of).collect();
            let due = (backlog.len() * count) as u64;
            let course = Course { programs, prefilled, backlog: &backlog, handlers, due };
            measured.push(told("handlers", name, course).await?);
        }
    }
    Ok(curve("Handlers", "handlers", &points))
}

/// Over languages: the example of each, which greets who joins and passes over everything else.
pub(crate) async fn guests(size: &Size, programs: &Programs, prefilled: &Prefilled, examples: &Path) -> Result<String> {
    let mut points: Vec<Point> = Vec::new();
    let backlog = Backlog::make(size.guest_events)?;
    for language in LANGUAGES {
        let plugin: PathBuf = examples.join(language).join("greeter.wasm");
        if !plugin.exists() {
            eprintln!("==> {} is not there: build it with `make languages`", plugin.display());
            continue;
        }
        let mut handler = site::handler(HANDLER, &plugin, &json!({ "greeting": "Welcome", "subject": "out.greeted" }));
        merge(&mut handler, json!({ "allow": { "publish": ["out.>"] } }));
        let mut measured = Vec::new();
        for _ in 0..size.guest_rounds {
            let handlers = vec![handler.clone()];
            let due = backlog.len() as u64;
            measured
                .push(told("guest", language, Course { programs, prefilled, backlog: &backlog, handlers, due }).await?);
        }
        points.push((language.to_owned(), measured));
    }
    Ok(curve("Languages", "example of", &points))
}

async fn told(what: &str, name: &str, course: Course<'_>) -> Result<Measured> {
    let measured = Box::pin(course.drain(Contestant::Sqlite)).await.with_context(|| format!("{what} {name}"))?;
    eprintln!("==> {what} {name}: {measured}");
    Ok(measured)
}

fn curve(title: &str, of: &str, points: &[Point]) -> String {
    let mut table = Table::new(title, &[of, "ev/s", "CPU µs/event", "peak MB", "CPU ÷ first row"]);
    let cpu = |rounds: &[Measured]| median(rounds.iter().map(|measured| measured.cpu_us).collect());
    let first = points.first().and_then(|(_, rounds)| cpu(rounds));
    for (name, rounds) in points {
        let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value).collect());
        table.row(&[
            name.clone(),
            number(of(|measured| measured.rate), 0),
            number(of(|measured| measured.cpu_us), 1),
            number(of(|measured| measured.peak_mb), 0),
            number(cpu(rounds).zip(first).map(|(cpu, first)| cpu / first), 2),
        ]);
    }
    table.text()
}
