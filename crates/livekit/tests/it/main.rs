//! The crate against what LiveKit really sent, what its SDKs test with, and a listening socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod notifier;
mod properties;
mod recorded;
mod shapes;
mod vectors;
