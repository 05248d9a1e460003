//! The machine against its rules: scenarios one by one, and a simulator with an oracle.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::single_match_else,
    clippy::redundant_else,
    clippy::manual_is_multiple_of,
    clippy::match_same_arms,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test fails by panicking, and the model of the store reads like the rules it checks"
)]

mod scenarios;
mod sim;
