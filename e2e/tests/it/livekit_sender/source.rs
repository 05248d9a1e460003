//! An address of its own for a sender, as each LiveKit node has one.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Carries connections on to a target, which sees them come from another loopback address.
pub(super) struct Source {
    listening: SocketAddr,
    task: JoinHandle<()>,
}

impl Source {
    /// The number is the last part of the address.
    pub(super) async fn start(number: u8, target: SocketAddr) -> Result<Self> {
        let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 0));
        // Only Linux has all of 127.0.0.0/8.
        connect(from, target).await.with_context(|| format!("cannot connect from {from}: is it an address of lo?"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let listening = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, from, target));
            }
        });
        Ok(Self { listening, task })
    }

    /// Where webhooks are posted.
    pub(super) fn url(&self) -> String {
        format!("http://{}/livekit", self.listening)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(from: SocketAddr, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    socket.connect(target).await
}

/// What goes wrong on the way, the sender sees as a connection that closes.
async fn carry(mut client: TcpStream, from: SocketAddr, target: SocketAddr) {
    if let Ok(mut server) = connect(from, target).await {
        let _broken = copy_bidirectional(&mut client, &mut server).await;
    }
}
