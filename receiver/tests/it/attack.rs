//! Attacks on a receiver that runs as a process of its own: its memory stays within the documented figure, and others are
//! served meanwhile.

mod bodies;
mod connections;
mod headers;
mod http2;
mod requests;
mod target;
