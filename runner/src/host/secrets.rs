//! `secrets`: the texts that the handler is granted by name.

use crate::bindings::roomwire::plugin::secrets;

use super::Host;

impl secrets::Host for Host {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        if let Some(secret) = self.grants.secrets.get(&name) {
            return Ok(Ok(secret.expose().to_owned()));
        }
        // What there is besides is none of the guest's business, so it is told the same of every other name.
        let name: String = name.chars().take(80).collect();
        self.calls.note(format!("secret `{}` is not granted; add it to the handler's `secrets`", name.escape_debug()));
        Ok(Err(secrets::Error::Denied))
    }
}
