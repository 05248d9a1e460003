//! `secrets`: denied as long as no handler can be granted one.

use crate::bindings::roomwire::plugin::secrets;

use super::Host;

impl secrets::Host for Host {
    fn get(&mut self, _name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        Ok(Err(secrets::Error::Denied))
    }
}
