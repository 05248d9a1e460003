//! TLS towards others: whom the machine trusts, loaded once and only when it is needed.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::SendError;

/// The TLS settings of all clients of the process. The machine's own certificates are trusted, or those of the file in
/// `SSL_CERT_FILE`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    config: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Tls {
    /// Trusts these certificates and no others.
    #[cfg(test)]
    pub(crate) fn trusting(roots: RootCertStore) -> Self {
        Self { config: Arc::new(OnceCell::new_with(settings(roots).ok())) }
    }

    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, SendError> {
        self.config.get_or_try_init(load).await.cloned()
    }
}

async fn load() -> Result<Arc<ClientConfig>, SendError> {
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|_| SendError::NoRoots { problems: "loading them stopped".to_owned() })?;
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let problems = loaded.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(SendError::NoRoots { problems });
    }
    settings(roots)
}

fn settings(roots: RootCertStore) -> Result<Arc<ClientConfig>, SendError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::NoRoots { problems: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
