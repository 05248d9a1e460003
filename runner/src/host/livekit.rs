//! `livekit`: calls of LiveKit's API, signed by the host. The API secret never enters a guest.

mod api;

pub(crate) use api::Api;

use crate::bindings::roomwire::plugin::livekit;

use super::Host;
use super::calls::Refused;

impl livekit::Host for Host {
    async fn call(
        &mut self,
        service: String,
        method: String,
        request_json: String,
    ) -> wasmtime::Result<Result<String, livekit::Error>> {
        let granted = self.grants.livekit.clone().filter(|api| api.may(&service, &method));
        let Some(api) = granted else {
            let name: String = format!("{service}/{method}").chars().take(80).collect();
            let text = format!("`{}` is not granted; add it to the handler's `allow.livekit`", name.escape_debug());
            self.calls.note(text.clone());
            return Ok(Err(livekit::Error::Denied(text)));
        };
        let open = match self.calls.begin() {
            Ok(open) => open,
            Err(refused @ (Refused::LeaseOver | Refused::TooMany | Refused::TooManyOpen)) => {
                self.calls.note(refused.to_string());
                return Ok(Err(livekit::Error::Other(refused.to_string())));
            }
        };
        let Some(tape) = self.calls.tape().cloned() else {
            return Ok(api.call(&service, &method, request_json, open).await);
        };
        let asked = tape.api_request(&service, &method, &request_json);
        if let Some(recorded) = tape.api_replayed(&asked) {
            return Ok(recorded);
        }
        let came = api.call(&service, &method, request_json, open).await;
        tape.api_answered(asked, &came);
        Ok(came)
    }
}
