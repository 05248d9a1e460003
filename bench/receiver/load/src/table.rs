//! The results as tables of Markdown.

use std::fmt::Write as _;

use crate::contestant::Contestant;
use crate::plan::{Plan, Sync};
use crate::results::{Measured, Results};

/// All tables, below a description of the machine.
pub(crate) fn markdown(plan: &Plan, results: &Results, machine: &str) -> String {
    let mut text = format!("{machine}\n");
    for &sync in &plan.sync {
        for &connections in &plan.connections {
            section(&mut text, plan, results, sync, connections);
        }
        ceilings(&mut text, plan, results, sync);
    }
    text
}

fn section(text: &mut String, plan: &Plan, results: &Results, sync: Sync, connections: usize) {
    let shown: Vec<Contestant> = plan.contestants.iter().copied().filter(|who| who.has_connections()).collect();
    if shown.is_empty() {
        return;
    }
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "\n### `sync_interval: {}`, {connections} connections\n\n\
         | receiver | ev/s | p50 ms | p99 ms | peak MB | CPU µs/event | ev/s ÷ Express | ev/s ÷ Go | p99 ÷ Go | ev/s ÷ raw |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        sync.interval()
    );
    for of in shown {
        let median = |value, digits| number(results.median(sync, connections, of, value), digits);
        let ratio = |to, value| number(results.ratio(sync, connections, (of, to), value), 2);
        let raw = match of {
            Contestant::Roomwire(shards) => Contestant::Raw(shards),
            _ => Contestant::Raw(1),
        };
        let cells = [
            name(of),
            median(rate, 0),
            median(|measured| measured.p50_ms, 2),
            median(p99, 2),
            median(|measured| measured.peak_mb, 0),
            median(|measured| measured.cpu_us, 1),
            ratio(Contestant::Express, rate),
            ratio(Contestant::Go, rate),
            ratio(Contestant::Go, p99),
            ratio(raw, rate),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn ceilings(text: &mut String, plan: &Plan, results: &Results, sync: Sync) {
    let raw = plan.contestants.iter().filter(|who| !who.has_connections());
    let rates: Vec<String> = raw
        .filter_map(|&of| Some(format!("{} {}", name(of), number(Some(results.median(sync, 0, of, rate)?), 0))))
        .collect();
    if !rates.is_empty() {
        let _ = write!(text, "\nCeiling, ev/s with `sync_interval: {}`: {}.\n", sync.interval(), rates.join(", "));
    }
}

fn rate(measured: &Measured) -> f64 {
    measured.rate
}

fn p99(measured: &Measured) -> f64 {
    measured.p99_ms
}

fn name(of: Contestant) -> String {
    match of {
        Contestant::Express => "Express".to_owned(),
        Contestant::Go => "Go".to_owned(),
        Contestant::Roomwire(1) => "**Roomwire**, 1 shard".to_owned(),
        Contestant::Roomwire(shards) => format!("**Roomwire**, {shards} shards"),
        Contestant::Raw(1) => "raw publishing, 1 stream".to_owned(),
        Contestant::Raw(shards) => format!("raw publishing, {shards} streams"),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cell;

    #[test]
    fn a_row_has_its_medians_and_what_it_is_of_the_others() {
        let contestants = vec![Contestant::Go, Contestant::Roomwire(4), Contestant::Raw(4)];
        let plan =
            Plan { contestants: contestants.clone(), sync: vec![Sync::Always], connections: vec![64], rounds: 1 };
        let mut results = Results::default();
        for (contestant, rate) in contestants.into_iter().zip([100.0, 300.0, 400.0]) {
            let measured = Measured { rate, p50_ms: 1.0, p99_ms: 600.0 / rate, peak_mb: 30.4, cpu_us: 12.34 };
            results.add(&Cell { round: 0, sync: Sync::Always, connections: 64, contestant }, measured);
        }
        let text = markdown(&plan, &results, "A machine.");
        assert!(text.starts_with("A machine.\n\n### `sync_interval: always`, 64 connections\n"), "{text}");
        let ours = "| **Roomwire**, 4 shards | 300 | 1.00 | 2.00 | 30 | 12.3 | – | 3.00 | 0.33 | 0.75 |\n";
        assert!(text.contains(ours), "{text}");
        assert!(text.contains("always`: raw publishing, 4 streams 400.\n"), "{text}");
    }
}
