//! Memory, tables and handles of one guest.

use wasmtime::ResourceLimiter;

/// Component handles and host resources that a guest may hold at a time.
pub(crate) const HANDLES: usize = 1_024;

/// Bytes that the host copies for a guest in one call of an import.
pub(crate) const HOSTCALL_BYTES: usize = 16 << 20;

/// Random bytes that a guest gets in one call.
pub(crate) const RANDOM_BYTES: u64 = 64 << 10;

/// Elements of all of a guest's tables.
const TABLE_ELEMENTS: usize = 100_000;

/// The memory limit of one store, and what the guest made of it.
#[derive(Debug)]
pub(crate) struct Limits {
    limit: usize,
    used: usize,
    /// The most memory in use at a time, in bytes.
    pub(crate) peak: usize,
    /// The guest asked for more than it was granted.
    pub(crate) denied: bool,
}

impl Limits {
    /// At most `memory` bytes, over all memories of the component.
    pub(crate) fn new(memory: u64) -> Self {
        Self { limit: usize::try_from(memory).unwrap_or(usize::MAX), used: 0, peak: 0, denied: false }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        if total > self.limit || maximum.is_some_and(|maximum| desired > maximum) {
            self.denied = true;
            return Ok(false);
        }
        self.used = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_ELEMENTS;
        self.denied |= !fits;
        Ok(fits)
    }
}
