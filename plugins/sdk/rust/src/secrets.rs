//! The secrets that the YAML grants to the handler.

use crate::bindings::roomwire::plugin::secrets;

/// A secret by its name.
///
/// # Errors
/// If the handler's `secrets` do not list it, or the host cannot read it.
pub fn get(name: &str) -> Result<String, SecretError> {
    secrets::get(name).map_err(|error| SecretError {
        text: match error {
            secrets::Error::Denied => format!("the secret `{name}` is not granted; add it to the handler's `secrets`"),
            secrets::Error::NotFound => {
                format!("there is no secret `{name}`; add it to `secrets` at the top of the file")
            }
            secrets::Error::Other(why) => format!("cannot read the secret `{name}`: {why}"),
        },
    })
}

/// A secret that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    text: String,
}

impl std::fmt::Display for SecretError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SecretError {}
