//! Who may sign plugins, and whether one did.

use std::path::{Path, PathBuf};

use minisign_verify::{PublicKey, Signature};

/// What is appended to a file's name for that of its signature, as minisign does it.
const EXTENSION: &str = ".minisig";

/// Where the signature of a file is: beside it.
pub(crate) fn signature_file(path: &Path) -> PathBuf {
    service::lock::beside(path, EXTENSION)
}

/// The keys that may sign plugins; without any, none need be signed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    keys: Vec<PublicKey>,
}

/// Why a plugin is not trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    /// It has no signature.
    #[error(
        "it is not signed, and `plugins.trusted_keys` asks for it; sign the file with `minisign -S -m FILE`, and give the \
         signature with `roomwire plugin push --signature FILE.minisig`, or leave it beside the file"
    )]
    Unsigned,
    /// What is given for a signature is none.
    #[error("its signature is not one of minisign")]
    Malformed(#[source] minisign_verify::Error),
    /// None of the trusted keys made it, for this file.
    #[error("its signature is of no key in `plugins.trusted_keys`, or of another file")]
    Wrong,
}

/// The text is no public key.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a public key of minisign; it is the second line of `minisign.pub`, and begins with `RW`")]
pub(crate) struct KeyError {
    text: String,
    #[source]
    source: minisign_verify::Error,
}

impl Trust {
    /// Takes a key as minisign writes it.
    pub(crate) fn key(text: &str) -> Result<PublicKey, KeyError> {
        PublicKey::from_base64(text.trim()).map_err(|source| KeyError { text: text.to_owned(), source })
    }

    pub(crate) fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Whether signatures matter at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Holds bytes against their signature. Signatures of the older form, which are of the bytes and not of their hash,
    /// are taken, too: minisign still writes them where it is asked to.
    pub(crate) fn judge(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), Untrusted> {
        if !self.is_wanted() {
            return Ok(());
        }
        let signature = Signature::decode(signature.ok_or(Untrusted::Unsigned)?).map_err(Untrusted::Malformed)?;
        let signed = self.keys.iter().any(|key| key.verify(bytes, &signature, true).is_ok());
        if signed { Ok(()) } else { Err(Untrusted::Wrong) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use service::error::Chain;
    use testkit::fixtures;

    use super::*;

    /// The key that signed the fixtures, and one that did not.
    const KEY: &str = "RWRyd3Rlc3RzMYFYty2jPNP17OAAxXGC3Jbb+dkxU2LYtBoUquSTghkL";
    const OTHER: &str = "RWRhbm90aGVyMR22ueZf68xzOWNW0NgjhxOIRSxUSBTrdODiCalXxMnm";

    fn trust(keys: &[&str]) -> Trust {
        Trust::new(keys.iter().map(|key| Trust::key(key).unwrap()).collect())
    }

    #[test]
    fn a_plugin_is_trusted_if_one_of_the_keys_signed_this_very_file() {
        let file = fixtures::path("guests/echo.wasm");
        let (bytes, signature) = (fs::read(&file).unwrap(), fs::read_to_string(signature_file(&file)).unwrap());
        let judge = |keys: &[&str], bytes: &[u8], signature: Option<&str>| {
            trust(keys).judge(bytes, signature).map_err(|error| Chain(&error).to_string())
        };
        assert!(judge(&[KEY], &bytes, Some(&signature)).is_ok());
        assert!(judge(&[OTHER, KEY], &bytes, Some(&signature)).is_ok());
        assert!(judge(&[], &bytes, None).is_ok());
        let wrong = judge(&[OTHER], &bytes, Some(&signature)).unwrap_err();
        assert!(wrong.contains("of no key in `plugins.trusted_keys`"), "{wrong}");
        let (last, rest) = bytes.split_last().unwrap();
        let changed = [rest, &[last ^ 1]].concat();
        assert!(judge(&[KEY], &changed, Some(&signature)).is_err());
        let forged = signature.replace("file:echo.wasm", "file:other.wasm");
        assert!(judge(&[KEY], &bytes, Some(&forged)).is_err(), "the comment is signed, too");
        assert!(judge(&[KEY], &bytes, None).unwrap_err().contains("minisign -S -m FILE"));
        assert!(judge(&[KEY], &bytes, Some("none")).unwrap_err().contains("is not one of minisign"));
    }

    #[test]
    fn a_key_is_refused_if_it_is_none() {
        let error = Trust::key("untrusted comment: minisign public key").unwrap_err();
        assert!(error.to_string().contains("it is the second line of `minisign.pub`"), "{error}");
    }
}
