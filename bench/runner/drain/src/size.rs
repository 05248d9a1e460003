//! How large and how long each part is.

/// The sizes of all parts.
pub(crate) struct Size {
    /// Of the comparison with other workers.
    pub(crate) rounds: usize,
    pub(crate) events: usize,
    /// Rows that are in its ledger before.
    pub(crate) rows: u64,
    /// The same in all other parts.
    pub(crate) rows_elsewhere: u64,
    pub(crate) curve_rounds: usize,
    pub(crate) curve_events: usize,
    pub(crate) guest_rounds: usize,
    pub(crate) guest_events: usize,
    /// How often each latency is measured, and for how long.
    pub(crate) steady_rounds: usize,
    pub(crate) steady_s: usize,
    /// How often it is measured what many handlers cost the receiver.
    pub(crate) acks_rounds: usize,
    /// Pairs of a run with and a run without a bad neighbour.
    pub(crate) pairs: usize,
}

impl Size {
    pub(crate) fn whole() -> Self {
        Self {
            rounds: 3,
            events: 40_000,
            rows: 3_000_000,
            rows_elsewhere: 300_000,
            curve_rounds: 2,
            curve_events: 40_000,
            guest_rounds: 1,
            guest_events: 3_000,
            steady_rounds: 7,
            steady_s: 5,
            acks_rounds: 5,
            pairs: 10,
        }
    }

    /// As short as shows that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 1,
            events: 20_000,
            rows: 300_000,
            rows_elsewhere: 30_000,
            curve_rounds: 1,
            curve_events: 10_000,
            guest_rounds: 1,
            guest_events: 1_000,
            steady_rounds: 1,
            steady_s: 3,
            acks_rounds: 1,
            pairs: 1,
        }
    }
}
