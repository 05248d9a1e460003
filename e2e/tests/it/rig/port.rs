//! Addresses that a service can take again after it was killed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::TcpListener;
use std::ops::Range;

use anyhow::{Result, bail};

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of those gets the port of a
/// service that is dead for a moment; and below those of testkit's nats-servers.
const PORTS: Range<u16> = 10_000..15_000;

/// An address on which nothing listens.
pub(crate) fn free_address() -> Result<String> {
    let random = RandomState::new();
    for turn in 0..200_u32 {
        let offset = random.hash_one(turn) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(format!("127.0.0.1:{port}"));
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
