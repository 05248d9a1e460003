//! From a host to its addresses, with the system's resolver.

use std::net::IpAddr;
use std::sync::Arc;

use service::config::Host;
use tokio::sync::Semaphore;

use super::SendError;

/// Look-ups of one handler at a time. The system's resolver holds a thread until it is done, whoever still waits.
const LOOKUPS: usize = 4;

/// Addresses of one name that are used.
const ADDRESSES: usize = 16;

/// Resolves names.
#[derive(Debug)]
pub(crate) enum Resolver {
    /// As the system does.
    System(Arc<Semaphore>),
    /// Out of a list.
    #[cfg(test)]
    Fixed(std::collections::BTreeMap<String, Vec<IpAddr>>),
}

impl Default for Resolver {
    fn default() -> Self {
        Self::System(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Resolver {
    /// The addresses of a host; none is no error.
    pub(super) async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, SendError> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name.clone(),
        };
        match self {
            Self::System(lookups) => system(lookups.clone(), name).await,
            #[cfg(test)]
            Self::Fixed(names) => Ok(names.get(&name).cloned().unwrap_or_default()),
        }
    }
}

async fn system(lookups: Arc<Semaphore>, name: String) -> Result<Vec<IpAddr>, SendError> {
    // The semaphore is never closed.
    let permit = lookups.acquire_owned().await.ok();
    let asked = name.clone();
    // A task, so that the permit is held for as long as the thread is, also if nobody waits any more.
    let lookup = tokio::spawn(async move {
        let _permit = permit;
        let addresses = tokio::net::lookup_host((asked.as_str(), 0)).await?;
        Ok(addresses.take(ADDRESSES).map(|address| address.ip()).collect())
    });
    match lookup.await {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(source)) => Err(SendError::Resolve { name, source }),
        Err(stopped) => Err(SendError::Resolve { name, source: std::io::Error::other(stopped) }),
    }
}
