//! A certificate and its key from their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig};

use crate::config::TlsSection;

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{key} {}: cannot read it; the file must exist and be readable by this process", .path.display())]
    Read {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{key} {}: not PEM; write the file that your certificate authority gave, with its BEGIN and END lines", .path.display())]
    Pem {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// The certificate file has none.
    #[error("receiver.tls.cert {}: no certificate in it; it begins with `-----BEGIN CERTIFICATE-----`", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file has none.
    #[error(
        "receiver.tls.key {}: no private key in it; it begins with `-----BEGIN PRIVATE KEY-----`, and must have no password \
         (`openssl pkey -in FILE -out FILE`)", .path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two files do not belong together.
    #[error(
        "receiver.tls: the key {} is not that of the first certificate in {}; put the server's own certificate first, and \
         name its key", .key.display(), .cert.display()
    )]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The library does not take them.
    #[error(
        "receiver.tls: {} and {} cannot be used; RSA, ECDSA (P-256, P-384, P-521) and Ed25519 keys can be", .cert.display(),
        .key.display()
    )]
    Unusable {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library said.
        #[source]
        source: rustls::Error,
    },
}

/// Both files as what connections are served with.
pub(super) fn load(section: &TlsSection) -> Result<ServerConfig, CertificateError> {
    let chain = certificates(&section.cert)?;
    let key = private_key(&section.key)?;
    let failed = |source| {
        let (cert, key) = (section.cert.clone(), section.key.clone());
        match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch { cert, key },
            source => CertificateError::Unusable { cert, key, source },
        }
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(failed)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    const KEY: &str = "receiver.tls.cert";
    let text = read(KEY, path)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|source| CertificateError::Pem { key: KEY, path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    const KEY: &str = "receiver.tls.key";
    PrivateKeyDer::from_pem_slice(&read(KEY, path)?).map_err(|source| match source {
        pem::Error::NoItemsFound => CertificateError::NoKey { path: path.to_owned() },
        source => CertificateError::Pem { key: KEY, path: path.to_owned(), source },
    })
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read { key, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
