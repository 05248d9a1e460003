//! The invocation lifetime: what one guest sees of the host, and nothing that outlives its call.
//!
//! Every import of the world is linked always, because some toolchains keep imports that a guest never uses; what is
//! not granted is denied when it is called. No files or sockets are given to any guest, and no environment but the config of a
//! command's handler.

mod calls;
pub(crate) mod client;
mod config;
mod effects;
mod http;
pub(crate) mod keyvalue;
mod limits;
mod livekit;
mod logging;
mod mask;
mod output;
mod secrets;
mod tape;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

pub(crate) use self::livekit::Api;
pub(crate) use calls::{Calls, Lease};
pub(crate) use client::{Client, Incoming, Limits as Deadlines, SendError, Target, Tls};
pub(crate) use effects::Pending;
pub(crate) use http::IDEMPOTENCY_KEY;
pub(crate) use keyvalue::{Access, Grant, Uncommitted};
pub(crate) use limits::{HANDLES, HOSTCALL_BYTES, Limits};
pub(crate) use logging::{Level, LogLine, Rate};
pub(crate) use mask::Mask;
pub(crate) use output::{HostLimit, Stdio};
pub use tape::Call;
pub(crate) use tape::Tape;

use crate::bindings;
use crate::plugin::{EXIT, EXIT_WITH_CODE, Grants};

/// What a command sees as its own name.
const PROGRAM: &str = "handler";

/// What an invocation is for, as far as it is told to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Occasion {
    /// Project, handler and event, and the run of a replay: the same on each attempt.
    pub(crate) identity: String,
    /// The event's place in its trace.
    pub(crate) traceparent: Option<String>,
}

/// The limits of one call.
pub(crate) struct Budget {
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// From now to the end of the call.
    pub(crate) timeout: Duration,
    /// For how long the event is this runner's.
    pub(crate) lease: Lease,
    /// Where its keys are; none where there are none to be had.
    pub(crate) keys: Option<Access>,
}

/// The data of one guest's store.
pub(crate) struct Host {
    wasi: Lazy,
    table: ResourceTable,
    http: wasmtime_wasi_http::WasiHttpCtx,
    outgoing: http::Outgoing,
    pub(crate) calls: Calls,
    pub(crate) limits: Limits,
    pub(crate) grants: Arc<Grants>,
    pub(crate) effects: Vec<Pending>,
    effect_bytes: usize,
    occasion: Arc<Occasion>,
    pub(crate) keyvalue: keyvalue::Session,
    pub(crate) logs: logging::Log,
    /// The guest stopped to let others compute, and not to wait for the host.
    pub(crate) computing: Arc<AtomicBool>,
}

impl Host {
    /// A host for one call with the grants of its handler; what the guest writes to its standard streams ends in
    /// `stdio`.
    pub(crate) fn new(grants: Arc<Grants>, occasion: Occasion, budget: Budget, stdio: &Stdio) -> Self {
        let occasion = Arc::new(occasion);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        let mut http = wasmtime_wasi_http::WasiHttpCtx::new();
        http.set_field_size_limit(http::FIELDS);
        let calls = Calls::new(budget.timeout, budget.lease, grants.outgoing.clone()).with_tape(grants.tape.clone());
        Self {
            wasi: Lazy { stdio: stdio.clone(), made: None },
            table,
            http,
            outgoing: http::Outgoing::new(grants.http.clone(), calls.clone(), occasion.clone()),
            calls,
            limits: Limits::new(budget.memory),
            grants,
            effects: Vec::new(),
            effect_bytes: 0,
            occasion,
            keyvalue: keyvalue::Session::new(budget.keys),
            logs: logging::Log::default(),
            computing: Arc::default(),
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Lazy { stdio, made } = &mut self.wasi;
        WasiCtxView { ctx: made.get_or_insert_with(|| Box::new(wasi(stdio, &self.grants))), table: &mut self.table }
    }
}

/// What a guest sees of WASI, made when it first looks: with its clocks and sources of chance it costs more than many a
/// guest that needs none of it.
struct Lazy {
    stdio: Stdio,
    made: Option<Box<WasiCtx>>,
}

fn wasi(stdio: &Stdio, grants: &Grants) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(stdio.out.clone()).stderr(stdio.err.clone()).max_random_size(limits::RANDOM_BYTES);
    if let Some(input) = &stdio.input {
        wasi.stdin(input.clone()).arg(PROGRAM);
        environment(&mut wasi, grants);
    }
    wasi.build()
}

impl wasmtime_wasi_http::WasiHttpView for Host {
    fn http(&mut self) -> wasmtime_wasi_http::WasiHttpCtxView<'_> {
        wasmtime_wasi_http::WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

impl bindings::roomwire::plugin::event_types::Host for Host {}

/// A command's environment: the handler's config, and its secrets by their names.
fn environment(wasi: &mut WasiCtxBuilder, grants: &Grants) {
    for (key, value) in &grants.config {
        wasi.env(key, value);
    }
    for (name, secret) in &grants.secrets {
        wasi.env(name, secret.expose());
    }
}

/// Links every interface that a plugin may import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    linker.instance(EXIT)?.func_wrap(EXIT_WITH_CODE, |_, (code,): (u32,)| -> wasmtime::Result<()> {
        Err(I32Exit(i32::try_from(code).unwrap_or(i32::MAX)).into())
    })?;
    bindings::wasi::logging::logging::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::wasi::config::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::wasi::keyvalue::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::roomwire::plugin::event_types::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::roomwire::plugin::effects::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::roomwire::plugin::secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    bindings::roomwire::plugin::livekit::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host)?;
    Ok(linker)
}
