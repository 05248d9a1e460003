//! What is measured, and in which order: in each round everybody in turn, so that a slow minute of the machine is nobody's.

use std::fmt;

use clap::ValueEnum;

use crate::contestant::Contestant;

/// How the server syncs its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Sync {
    /// Every two minutes: an acknowledged event may be lost with the machine's power.
    Default,
    /// Before each acknowledgement.
    Always,
}

impl Sync {
    /// The server's `sync_interval`.
    pub(crate) fn interval(self) -> &'static str {
        match self {
            Sync::Default => "2m",
            Sync::Always => "always",
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    pub(crate) round: usize,
    pub(crate) sync: Sync,
    pub(crate) connections: usize,
    pub(crate) contestant: Contestant,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell { round, sync, connections, contestant } = self;
        write!(f, "round {}, sync {}, {contestant}", round + 1, sync.interval())?;
        if contestant.has_connections() { write!(f, ", {connections} connections") } else { Ok(()) }
    }
}

/// All measurements.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) sync: Vec<Sync>,
    pub(crate) connections: Vec<usize>,
    pub(crate) rounds: usize,
}

impl Plan {
    /// In the order in which they are made. The ceilings have no connections and are measured once a round.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for round in 0..self.rounds {
            for &sync in &self.sync {
                for (n, &connections) in self.connections.iter().enumerate() {
                    let due = self.contestants.iter().filter(|contestant| n == 0 || contestant.has_connections());
                    cells.extend(due.map(|&contestant| Cell { round, sync, connections, contestant }));
                }
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_everybody_in_turn_and_the_ceilings_once() {
        let plan = Plan {
            contestants: vec![Contestant::Go, Contestant::Roomwire(4), Contestant::Raw(4)],
            sync: vec![Sync::Default],
            connections: vec![64, 256],
            rounds: 2,
        };
        let cells = plan.cells();
        let turns: Vec<_> = cells.iter().take(5).map(|cell| (cell.contestant, cell.connections)).collect();
        let (go, ours, raw) = (Contestant::Go, Contestant::Roomwire(4), Contestant::Raw(4));
        assert_eq!(turns, [(go, 64), (ours, 64), (raw, 64), (go, 256), (ours, 256)]);
        assert_eq!(cells.len(), 10);
        assert!(cells.iter().skip(5).all(|cell| cell.round == 1));
    }
}
