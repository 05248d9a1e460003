//! haproxy with the configuration that is shipped, as it is.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use testkit::{Process, wait_until};
use tokio::net::TcpStream;

use crate::rig::{LONG, Service, free_address};

/// The one on PATH, else the one in `.tools`, as `scripts/haproxy` has it.
fn binary() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .chain([testkit::workspace().join(".tools/bin")])
        .map(|folder| folder.join("haproxy"))
        .find(|file| file.is_file())
        .context("there is no haproxy: run `scripts/haproxy`")
}

pub(super) struct Haproxy {
    pub(super) address: SocketAddr,
    _process: Process,
}

impl Haproxy {
    /// Starts it in front of two receivers; returns when it accepts connections.
    pub(super) async fn start(receivers: [&Service; 2]) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary()?);
        command.arg("-f").arg(testkit::workspace().join("deploy/proxy/haproxy.cfg")).env("ROOMWIRE_LISTEN", &address);
        for (number, receiver) in (1..).zip(receivers) {
            let admin = host_and_port(receiver.admin())?;
            command.env(format!("ROOMWIRE_RECEIVER_{number}"), host_and_port(receiver.webhook())?.to_string());
            command.env(format!("ROOMWIRE_RECEIVER_{number}_ADMIN_PORT"), admin.port().to_string());
        }
        let process = Process::spawn("haproxy", command)?;
        let listens = || async { TcpStream::connect(&address).await.is_ok() };
        let listening = wait_until(LONG, "haproxy to listen", listens).await;
        listening.with_context(|| process.log())?;
        Ok(Self { address: address.parse()?, _process: process })
    }
}

fn host_and_port(url: &str) -> Result<SocketAddr> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.split('/').next().unwrap_or_default().parse().with_context(|| format!("{url} has no address"))
}
