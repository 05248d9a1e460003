//! `wasi:http`: outgoing requests, denied as long as no handler can be granted a host.

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), Error>> + Send>;

/// Refuses every request, whatever its form.
#[derive(Debug)]
pub(crate) struct Denied;

impl WasiHttpHooks for Denied {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Done,
    ) -> Sent {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
