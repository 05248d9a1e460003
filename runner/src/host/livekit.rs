//! `livekit`: host-signed API calls, denied as long as no handler can be granted a method.

use crate::bindings::roomwire::plugin::livekit;

use super::Host;

impl livekit::Host for Host {
    fn call(
        &mut self,
        service: String,
        method: String,
        _request_json: String,
    ) -> wasmtime::Result<Result<String, livekit::Error>> {
        Ok(Err(livekit::Error::Denied(format!("`{service}/{method}` is not granted to this handler"))))
    }
}
