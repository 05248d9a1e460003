//! The machine against its rules: scenarios one by one, and a simulator with an oracle.

mod scenarios;
mod sim;
