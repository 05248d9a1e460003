//! The admin endpoint over HTTP.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prometheus_client::metrics::counter::Counter;
use service::admin::{Health, Metrics, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Endpoint {
    base: String,
    stop: CancellationToken,
}

impl Endpoint {
    async fn start(health: Health, metrics: Metrics) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, health, metrics, stop.clone()));
        Self { base, stop }
    }

    async fn ask(&self, method: Method, path: &str) -> (u16, String, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base)).body(Empty::new()).unwrap();
        let response = client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn readyz_is_503_with_a_reason_a_component_until_all_are_ready() {
    let health = Health::new();
    let (nats, store) = (health.component("nats"), health.component("store"));
    let endpoint = Endpoint::start(health.clone(), Metrics::default()).await;
    let (status, _, body) = endpoint.ask(Method::GET, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "nats: starting\nstore: starting\n"));
    nats.ready();
    store.ready();
    let (status, _, body) = endpoint.ask(Method::GET, "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ready\n"));
    health.drain();
    let (status, _, body) = endpoint.ask(Method::GET, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "process: draining\n"));
    let (status, _, _) = endpoint.ask(Method::GET, "/livez").await;
    assert_eq!(status, 200, "a process that drains is alive");
    endpoint.stop.cancel();
}

#[tokio::test]
async fn what_is_wrong_and_makes_nobody_unready_stands_below_the_answer_on_one_line_each() {
    let health = Health::new();
    let endpoint = Endpoint::start(health.clone(), Metrics::default()).await;
    health.note("handler b", Some("refused:\nline two".to_owned()));
    health.note("handler a", Some("refused".to_owned()));
    let (status, _, body) = endpoint.ask(Method::GET, "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ready\nhandler a: refused\nhandler b: refused: line two\n"));
    let nats = health.component("nats");
    health.note("handler b", None);
    let (status, _, body) = endpoint.ask(Method::GET, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "nats: starting\nhandler a: refused\n"));
    nats.ready();
    endpoint.stop.cancel();
}

#[tokio::test]
async fn metrics_are_openmetrics_text_with_roomwires_prefix() {
    let metrics = Metrics::default();
    let requests = Counter::<u64>::default();
    metrics.register(|registry| registry.register("requests", "Requests", requests.clone()));
    requests.inc();
    let endpoint = Endpoint::start(Health::new(), metrics).await;
    let (status, kind, body) = endpoint.ask(Method::GET, "/metrics").await;
    assert_eq!((status, kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(
        body,
        "# HELP roomwire_requests Requests.\n# TYPE roomwire_requests counter\nroomwire_requests_total 1\n# EOF\n"
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let endpoint = Endpoint::start(Health::new(), Metrics::default()).await;
    assert_eq!(endpoint.ask(Method::GET, "/").await.0, 404);
    assert_eq!(endpoint.ask(Method::POST, "/readyz").await.0, 405);
}
