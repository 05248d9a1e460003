//! The certificate that HTTPS is served with, replaced while the process runs.

mod pair;
mod reload;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::config::TlsSection;
use crate::settled::Contents;
pub use pair::CertificateError;
pub use reload::keep_reloaded;

/// The certificate of now. Clones share it.
#[derive(Debug, Clone)]
pub struct Certificate {
    section: TlsSection,
    /// What the files held when it was read: what is there later may be another one.
    loaded: Contents,
    config: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the certificate and its key, and checks that they belong together.
    ///
    /// # Errors
    /// When a file cannot be read, does not hold what it should, or holds what does not belong to the other.
    pub fn load(section: &TlsSection) -> Result<Certificate, CertificateError> {
        let loaded = Contents::read([&*section.cert, &*section.key]);
        let config = watch::Sender::new(Arc::new(pair::load(section)?));
        Ok(Certificate { section: section.clone(), loaded, config })
    }

    /// What the next connection is served with: HTTP/2 and HTTP/1.1 by ALPN, TLS 1.2 and 1.3.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.config.borrow().clone()
    }
}
