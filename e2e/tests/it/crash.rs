//! What holds when processes die: nothing that was accepted is lost, and nothing is handled twice.

mod effects;
mod poison;
mod receiver;
mod shutdown;
mod start;
mod up;
