//! The process lifetime: one wasmtime engine, its pool of instances and its clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often a running guest is asked to give its thread to others.
const EPOCH_TICK: Duration = Duration::from_millis(10);

/// Invocations that may exist at one time in the process, over all handlers. An exhausted pool is an error and not a
/// wait, so a permit is taken before an instance is made.
const INVOCATIONS: u32 = 96;

/// Core instances and memories that one component may consist of; interpreters for scripting languages need several.
const CORE_INSTANCES: u32 = 24;
const MEMORIES: u32 = 6;
const TABLES: u32 = 12;

/// The most memory that a handler's `memory` may name.
pub(crate) const MAX_MEMORY: u64 = 1 << 30;

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the wasm engine; a limit on address space (`ulimit -v`) is a known cause")]
pub struct EngineError(#[source] wasmtime::Error);

/// The engine that every plugin of the process is compiled for.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) permits: Arc<Semaphore>,
}

impl Engine {
    /// Makes the engine and starts its clock, which runs for as long as the process does.
    ///
    /// # Errors
    /// If the pool's address space cannot be reserved.
    pub(crate) fn new() -> Result<Self, EngineError> {
        let wasm = wasmtime::Engine::new(&settings()).map_err(EngineError)?;
        let weak = wasm.weak();
        // A thread and not a task: guests that compute may hold every thread of the runtime until the clock ticks.
        std::thread::Builder::new()
            .name("wasm-epoch".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::park_timeout(EPOCH_TICK);
                }
            })
            .map_err(|error| EngineError(error.into()))?;
        Ok(Self { wasm, permits: Arc::new(Semaphore::new(INVOCATIONS as usize)) })
    }
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_gc(false)
        .max_wasm_stack(512 * 1024)
        .async_stack_size(2 * 1024 * 1024)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

/// Pages that a guest dirtied are kept and cleared where the kernel can tell which ones they are; elsewhere clearing
/// them costs more than mapping them anew.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INVOCATIONS)
        .total_core_instances(INVOCATIONS * 4)
        .total_memories(INVOCATIONS * 2)
        .total_tables(INVOCATIONS * 4)
        .total_stacks(INVOCATIONS)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
        .table_elements(100_000)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(1 << 20).table_keep_resident(64 << 10);
    }
    pool
}
