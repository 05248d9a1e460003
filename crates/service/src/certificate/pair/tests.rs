//! Which files are a certificate and its key, and what is said of others.

use std::fs;

use super::*;
use crate::error::Chain;

fn fixture(name: &str) -> PathBuf {
    testkit::fixtures::path(&format!("tls/{name}"))
}

fn section(cert: &str, key: &str) -> TlsSection {
    TlsSection { cert: fixture(cert), key: fixture(key) }
}

#[test]
fn a_certificate_with_its_key_is_served_to_http2_and_http1() {
    let config = load(&section("first.crt", "first.key")).unwrap();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
}

#[test]
fn what_cannot_be_served_is_refused_with_the_file_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = fs::read_to_string(fixture("first.crt")).unwrap();
    fs::write(path("half"), text.get(..200).unwrap()).unwrap();
    fs::write(path("garbled"), text.replace("MII", "!!!")).unwrap();
    fs::write(path("empty"), "").unwrap();
    let not_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    fs::write(path("not-der"), not_der).unwrap();
    let (cert, key) = (fixture("first.crt"), fixture("first.key"));
    for (cert, key, words) in [
        (path("absent"), key.clone(), "receiver.tls.cert * cannot read it; the file must exist"),
        (cert.clone(), path("absent"), "receiver.tls.key * cannot read it; the file must exist"),
        (path("half"), key.clone(), "receiver.tls.cert * not PEM; write the file that your certificate authority gave"),
        (path("garbled"), key.clone(), "receiver.tls.cert * not PEM"),
        (
            path("empty"),
            key.clone(),
            "receiver.tls.cert * no certificate in it; it begins with `-----BEGIN CERTIFICATE-----`",
        ),
        // The two swapped.
        (key.clone(), cert.clone(), "receiver.tls.cert * no certificate in it"),
        (cert.clone(), cert.clone(), "receiver.tls.key * no private key in it"),
        (path("not-der"), key.clone(), "receiver.tls: * cannot be used"),
        (cert.clone(), fixture("second.key"), "receiver.tls: the key * is not that of the first certificate"),
    ] {
        let error = load(&TlsSection { cert, key }).unwrap_err();
        let said = Chain(&error).to_string();
        let (start, end) = words.split_once(" * ").unwrap();
        assert!(said.starts_with(start) && said.contains(end), "{said}\n{words}");
    }
}
