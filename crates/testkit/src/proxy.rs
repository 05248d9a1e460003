//! A TCP proxy that can cut, stall and swallow what passes through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does with bytes and with new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    #[default]
    None,
    /// Passes nothing on, keeps everything: it arrives when the fault ends. New connections are accepted and wait too.
    Stall,
    /// Loses what the server answers. What passes later lacks a piece in the middle: `cut` before other work goes on.
    SwallowAnswers,
    /// Loses what the client sends. What passes later lacks a piece in the middle: `cut` before other work goes on.
    SwallowRequests,
    /// Closes new connections at once. Those that are open go on until they are `cut`.
    Refuse,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    fault: Fault,
    /// Connections of an older round are closed.
    round: u64,
}

/// A proxy on a port of its own in front of one server.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Way {
    Requests,
    Answers,
}

impl FaultProxy {
    /// Starts one in front of `127.0.0.1:port`.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for the proxy")?;
        let address = listener.local_addr().context("the proxy has no address")?;
        let (state, watched) = watch::channel(State::default());
        let accepted = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], port)), watched, accepted.clone()));
        Ok(Self { address, state, accepted, task })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `nats://` and the address.
    #[must_use]
    pub fn nats_url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Sets what happens from now on.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Closes every open connection; what they held is lost. The fault stays as it is.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.round += 1);
    }

    /// How many connections came in so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    watched: watch::Receiver<State>,
    accepted: Arc<AtomicUsize>,
) {
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        if watched.borrow().fault != Fault::Refuse {
            tokio::spawn(carry(client, target, watched.clone()));
        }
    }
}

/// Carries one connection until either side closes it, or it is cut, or the proxy is gone.
async fn carry(client: TcpStream, target: SocketAddr, watched: watch::Receiver<State>) {
    let round = watched.borrow().round;
    let both = async {
        if until(&mut watched.clone(), |state| state.fault != Fault::Stall).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(target).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = pump(from_client, to_server, Way::Requests, watched.clone()) => {}
            () = pump(from_server, to_client, Way::Answers, watched.clone()) => {}
        }
    };
    let mut cut = watched.clone();
    tokio::select! {
        () = both => {}
        _ = until(&mut cut, |state| state.round != round) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, mut watched: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return };
        if until(&mut watched, |state| state.fault != Fault::Stall).await.is_err() {
            return;
        }
        let fault = watched.borrow().fault;
        let lost =
            matches!((fault, way), (Fault::SwallowAnswers, Way::Answers) | (Fault::SwallowRequests, Way::Requests));
        if !lost && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn until(
    watched: &mut watch::Receiver<State>,
    holds: impl FnMut(&State) -> bool,
) -> Result<(), watch::error::RecvError> {
    watched.wait_for(holds).await.map(|_| ())
}
