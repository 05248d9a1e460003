//! `wasi:config`: the `config` of the handler, and nothing else.

use crate::bindings::wasi::config::store;

use super::Host;

impl store::Host for Host {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.grants.config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(self.grants.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
