//! What the benchmarks of the receiver and of the runner share.

pub mod answer;
pub mod bodies;
pub mod machine;
pub mod process;
pub mod report;
pub mod signed;
