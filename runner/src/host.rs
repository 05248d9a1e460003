//! The invocation lifetime: what one guest sees of the host, and nothing that outlives its call.
//!
//! Every import of the world is linked always, because some toolchains keep imports that a guest never uses; what is
//! not granted is denied when it is called. No files, sockets or environment are given to any guest.

mod config;
mod effects;
mod http;
pub(crate) mod keyvalue;
mod limits;
mod livekit;
mod logging;
mod output;
mod secrets;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub(crate) use effects::Pending;
pub(crate) use limits::{HANDLES, HOSTCALL_BYTES, Limits};
pub(crate) use logging::{Level, LogLine};
pub(crate) use output::{HostLimit, Tail};

use crate::bindings;
use crate::plugin::Grants;

/// The data of one guest's store.
pub(crate) struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    http: wasmtime_wasi_http::WasiHttpCtx,
    denied_http: http::Denied,
    pub(crate) limits: Limits,
    pub(crate) grants: Arc<Grants>,
    pub(crate) effects: Vec<Pending>,
    effect_bytes: usize,
    pub(crate) logs: logging::Log,
    /// When the guest was last seen computing: tells a guest that computes from one that waits in a host call.
    pub(crate) computed_at: Instant,
}

impl Host {
    /// A host for one call with the grants of its handler; what the guest writes to its standard streams ends in `out`
    /// and `err`.
    pub(crate) fn new(grants: Arc<Grants>, memory: u64, out: &Tail, err: &Tail) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(out.clone()).stderr(err.clone()).max_random_size(64 << 10);
        Self {
            wasi: wasi.build(),
            table: {
                let mut table = ResourceTable::new();
                table.set_max_capacity(limits::HANDLES);
                table
            },
            http: wasmtime_wasi_http::WasiHttpCtx::new(),
            denied_http: http::Denied,
            limits: Limits::new(memory),
            grants,
            effects: Vec::new(),
            effect_bytes: 0,
            logs: logging::Log::default(),
            computed_at: Instant::now(),
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wasmtime_wasi_http::WasiHttpView for Host {
    fn http(&mut self) -> wasmtime_wasi_http::WasiHttpCtxView<'_> {
        wasmtime_wasi_http::WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.denied_http,
        }
    }
}

impl bindings::roomwire::plugin::event_types::Host for Host {}

/// Links every interface that a plugin may import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
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
