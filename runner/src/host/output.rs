//! A guest's standard streams: the last part is kept, and too much of it ends the call.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError};

use super::Mask;

/// Bytes of a stream's end that are kept for the attempt's record.
const KEPT: usize = 16 << 10;

/// Bytes that a guest may write to one stream in one call.
const ALLOWED: usize = 1 << 20;

/// Bytes that a command may write to stdout in one call: as many effects as there may be, in base64.
const EFFECTS: usize = 6 << 20;

/// Bytes that are taken from the guest in one write.
const PERMIT: usize = 64 << 10;

/// A guest went over a limit that is not its memory.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostLimit(pub(crate) String);

/// One standard stream of one guest.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    name: &'static str,
    /// Bytes that may be written.
    allowed: usize,
    /// Bytes of the end that are kept meanwhile.
    kept: usize,
    state: Arc<Mutex<State>>,
}

/// The standard streams of one guest.
#[derive(Clone)]
pub(crate) struct Stdio {
    /// What a command reads; another plugin has no stdin.
    pub(crate) input: Option<Input>,
    pub(crate) out: Tail,
    pub(crate) err: Tail,
}

impl Stdio {
    /// For a component: what it writes is kept for its record.
    pub(crate) fn of_component() -> Self {
        Self { input: None, out: Tail::new("stdout"), err: Tail::new("stderr") }
    }

    /// For a command: what it writes says how it ended.
    pub(crate) fn of_command() -> Self {
        Self { input: Some(Input::default()), out: Tail::whole("stdout", EFFECTS), err: Tail::whole("stderr", ALLOWED) }
    }

    /// Gives a command what there is to read, once and for all.
    pub(crate) fn fill(&self, bytes: impl Into<Bytes>) {
        if let Some(Input(pipe)) = &self.input {
            pipe.get_or_init(|| MemoryInputPipe::new(bytes));
        }
    }
}

/// A command's stdin: made before it is known what there is to read, which takes the store that it is made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input(Arc<OnceLock<MemoryInputPipe>>);

impl Input {
    fn pipe(&self) -> MemoryInputPipe {
        self.0.get().cloned().unwrap_or_else(|| MemoryInputPipe::new(Bytes::new()))
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.pipe())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.pipe())
    }
}

#[derive(Debug, Default)]
struct State {
    written: usize,
    kept: VecDeque<u8>,
}

impl Tail {
    /// An empty stream; `name` is what errors call it.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, allowed: ALLOWED, kept: KEPT, state: Arc::default() }
    }

    /// A stream of which all is kept.
    fn whole(name: &'static str, allowed: usize) -> Self {
        Self { name, allowed, kept: allowed, state: Arc::default() }
    }

    /// All that is kept, with whatever secrets are in it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept.make_contiguous().to_vec()
    }

    /// What is left of it as text, without the secrets of the handler, or nothing if nothing was written.
    pub(crate) fn text(&self, mask: &Mask) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = state.written <= KEPT;
        let bytes = state.kept.make_contiguous();
        let text = String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default());
        let text = if whole { mask.apply(&text).into_owned() } else { mask.apply_to_tail(&text) };
        (!text.is_empty()).then_some(text)
    }

    fn take(&self, bytes: &[u8]) -> Result<(), HostLimit> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written = state.written.saturating_add(bytes.len());
        state.kept.extend(bytes.iter().skip(bytes.len().saturating_sub(self.kept)));
        let excess = state.kept.len().saturating_sub(self.kept);
        state.kept.drain(..excess);
        if state.written > self.allowed {
            return Err(HostLimit(format!("wrote more than {} KiB to {}", self.allowed >> 10, self.name)));
        }
        Ok(())
    }
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.take(&bytes).map_err(|limit| StreamError::Trap(limit.into()))
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Tail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.take(bytes).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
