//! Outgoing requests of real guests to a real server that may be kind or not.

use std::net::IpAddr;

use serde_json::{Value, json};
use service::config::Network;
use testkit::wait_until;
use tokio_rustls::TlsAcceptor;

use super::rig::{Rig, client, logs, published, rooms};
use super::upstream::Upstream;
use super::*;
use crate::host::client::Resolver;
use crate::host::{Client, Tls};

fn plan(mut plan: Value, url: &str) -> String {
    plan["url"] = json!(url);
    format!("request:{plan}")
}

async fn rig(plans: &[String], client: Client) -> Rig {
    let grants = Grants { http: Arc::new(client), ..Grants::default() };
    Rig::behave(rooms(plans.iter().map(String::as_str)), Duration::from_secs(2), grants).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_request_is_sent_as_the_guest_wrote_it_and_says_which_event_it_is_for() {
    let upstream = Upstream::start().await;
    let plans = [
        plan(json!({"method": "POST", "body": "a body", "headers": [["x-mine", "1"]]}), &upstream.url("/echo?q=1")),
        plan(json!({"method": "POST", "headers": [["idempotency-key", "mine"]]}), &upstream.url("/echo")),
        plan(json!({}), &upstream.url("/echo")),
    ];
    let rig = rig(&plans, client(&[&upstream.url("")])).await;
    let seen = rig.answer("r0").await;
    let sent = seen["body"].as_str().unwrap().to_ascii_lowercase();
    assert!(sent.starts_with("post /echo?q=1 http/1.1\r\n"), "{sent}");
    for line in [
        format!("host: 127.0.0.1:{}", upstream.port),
        "x-mine: 1".to_owned(),
        "content-length: 6".to_owned(),
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    ] {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line}: {sent}");
    }
    assert!(sent.ends_with("\r\n\r\na body"), "{sent}");
    assert!(seen["headers"].to_string().contains("upstream"), "{seen}");

    let key = |sent: &str| sent.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
    let again = rig.answer("r0").await["body"].as_str().unwrap().to_ascii_lowercase();
    assert!(key(&sent).is_some_and(|key| key.len() == 64) && key(&sent) == key(&again), "{sent}\n{again}");
    assert_eq!(key(rig.answer("r1").await["body"].as_str().unwrap()).as_deref(), Some("mine"));
    assert_eq!(key(rig.answer("r2").await["body"].as_str().unwrap()), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_that_is_not_granted_or_not_well_formed() {
    let upstream = Upstream::start().await;
    let (url, other) = (upstream.url("/ok"), format!("http://localhost:{}/", upstream.port));
    let of_header = |name: &str, value: &str| plan(json!({"headers": [[name, value]]}), &url);
    let cases = [
        (plan(json!({}), "http://127.0.0.1:1/"), "HttpRequestDenied", "add it to the handler's `allow.http`"),
        (plan(json!({}), &other), "HttpRequestDenied", "http://localhost"),
        (plan(json!({}), &url.replace("http:", "https:")), "HttpRequestDenied", "https://127.0.0.1"),
        (plan(json!({}), &format!("http://127.1:{}/", upstream.port)), "HttpRequestUriInvalid", "`127.1`"),
        (plan(json!({}), &url.replace("//", "//127.0.0.1@")), "HttpRequestUriInvalid", "authorization"),
        (plan(json!({"path": "http://127.0.0.1:1/"}), &url), "refused the path", ""),
        (plan(json!({"path": "/a\r\nHost: evil"}), &url), "refused the path", ""),
        (plan(json!({"method": "CONNECT"}), &url), "HttpRequestMethodInvalid", "CONNECT"),
        (plan(json!({"method": "GET / HTTP/1.1\r\n"}), &url), "refused the method", ""),
        (of_header("Host", "evil.example.com"), "Forbidden", ""),
        (of_header("Connection", "upgrade"), "Forbidden", ""),
        (of_header("Transfer-Encoding", "chunked"), "Forbidden", ""),
        (of_header("Expect", "100-continue"), "Forbidden", ""),
        (of_header("TE", "trailers"), "Forbidden", ""),
        (of_header("x", "1\r\nHost: evil"), "InvalidSyntax", ""),
        (of_header("x y", "1"), "InvalidSyntax", ""),
        (plan(json!({"method": "POST", "body": "abc", "declare": 5}), &url), "HttpProtocolError", ""),
        (plan(json!({"method": "POST", "body": "abc", "declare": 2}), &url), "Http", ""),
        (plan(json!({"method": "POST", "body_size": 2 << 20}), &url), "HttpRequestBodySize", ""),
    ];
    let plans: Vec<String> = cases.iter().map(|(plan, ..)| plan.clone()).collect();
    let rig = rig(&plans, client(&[&upstream.url("")])).await;
    for (at, (plan, error, log)) in cases.iter().enumerate() {
        let finished = rig.call(&format!("r{at}")).await;
        let said = published(&finished);
        assert!(said.contains("error") && said.contains(error), "{plan}: {said}");
        assert!(logs(&finished).contains(log), "{plan}: {}", logs(&finished));
    }
    assert_eq!(upstream.requests(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_into_a_private_network_is_not_followed_unless_that_is_granted() {
    let upstream = Upstream::start().await;
    let url = format!("http://billing.internal:{}/ok", upstream.port);
    let names = || {
        let both: Vec<IpAddr> = vec!["10.255.255.1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        Resolver::Fixed(BTreeMap::from([("billing.internal".to_owned(), both)]))
    };
    let origin = || vec![Origin::parse(&format!("http://billing.internal:{}", upstream.port)).unwrap()];
    let plans = [plan(json!({}), &url)];
    let refused = rig(&plans, Client::granted(origin(), Vec::new(), Tls::default()).with_resolver(names())).await;
    let finished = refused.call("r0").await;
    assert!(published(&finished).contains("DestinationIpProhibited"), "{}", published(&finished));
    assert!(logs(&finished).contains("a loopback address") && logs(&finished).contains("`allow.networks`"));
    assert_eq!(upstream.connections(), 0);

    let loopback = vec![Network::parse("127.0.0.0/8").unwrap()];
    let granted = rig(&plans, Client::granted(origin(), loopback, Tls::default()).with_resolver(names())).await;
    assert_eq!(granted.answer("r0").await["body"], "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_too_slow_or_none_is_an_error_the_guest_can_read() {
    let upstream = Upstream::start().await;
    let nobody = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let cases = [
        (plan(json!({}), &upstream.url("/large?17000000")), "response body size exceeds"),
        (plan(json!({}), &upstream.url("/headers")), "HttpResponseHeaderSectionSize"),
        (plan(json!({"first_byte_ms": 50}), &upstream.url("/silent")), "HttpResponseTimeout"),
        (plan(json!({}), &upstream.url("/silent")), "HttpResponseTimeout"),
        (plan(json!({}), &upstream.url("/drip")), "response timeout"),
        (plan(json!({}), &upstream.url("/slow-head")), "HttpResponseTimeout"),
        (plan(json!({}), &upstream.url("/reset")), "HttpResponseIncomplete"),
        (plan(json!({}), &format!("{nobody}/")), "ConnectionRefused"),
        (plan(json!({"times": 65}), &upstream.url("/ok")), "more than 64 requests"),
        (plan(json!({"open": 9}), &upstream.url("/ok")), "ConnectionLimitReached"),
    ];
    let plans: Vec<String> = cases.iter().map(|(plan, _)| plan.clone()).collect();
    let rig = rig(&plans, client(&[&upstream.url(""), &nobody])).await;
    for (at, (plan, error)) in cases.iter().enumerate() {
        let finished = rig.call(&format!("r{at}")).await;
        assert_eq!(finished.outcome, Outcome::Done, "{plan}: {:?}", finished.report);
        assert!(published(&finished).contains(error), "{plan}: {}", published(&finished));
    }
    drop(rig);
    let closed =
        wait_until(Duration::from_secs(10), "all connections are closed", || async { upstream.open() == 0 }).await;
    closed.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_the_guests_to_follow() {
    let upstream = Upstream::start().await;
    let rig = rig(&[plan(json!({}), &upstream.url("/redirect"))], client(&[&upstream.url("")])).await;
    let answer = rig.answer("r0").await;
    assert_eq!(answer["status"], 302);
    assert!(answer["headers"].to_string().contains("/ok"), "{answer}");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_for_the_handler_and_for_no_other() {
    let upstream = Upstream::start().await;
    let plans = [plan(json!({}), &upstream.url("/ok"))];
    let one = rig(&plans, client(&[&upstream.url("")])).await;
    for _ in 0..20 {
        assert_eq!(one.answer("r0").await["status"], 200);
    }
    let of_one = upstream.connections();
    // Whether a connection is free again the moment that its answer was read is up to the scheduler.
    assert!(of_one < 10, "{of_one} connections for 20 requests");
    let other = rig(&plans, client(&[&upstream.url("")])).await;
    assert_eq!(other.answer("r0").await["status"], 200);
    assert!(upstream.connections() > of_one, "a connection went from one handler to another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_only_with_whom_the_certificate_names() {
    let upstream = Upstream::with_tls(acceptor()).await;
    let here: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
    let names: BTreeMap<_, _> =
        ["api.example.com", "other.example.com"].map(|name| (name.to_owned(), here.clone())).into();
    let url = |name: &str| format!("https://{name}:{}", upstream.port);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem_certificates("tls/ca.pem").remove(0)).unwrap();
    let granted = Client::granted(
        vec![Origin::parse(&format!("https://*.example.com:{}", upstream.port)).unwrap()],
        vec![Network::parse("127.0.0.1").unwrap()],
        Tls::trusting(roots),
    );
    let plans = [plan(json!({}), &url("api.example.com")), plan(json!({}), &url("other.example.com"))];
    let rig = rig(&plans, granted.with_resolver(Resolver::Fixed(names))).await;
    assert_eq!(rig.answer("r0").await["body"], "hello");
    let other = rig.answer("r1").await;
    assert!(other.to_string().contains("TlsCertificateError"), "{other}");
    assert_eq!(upstream.requests().len(), 1);
}

fn pem_certificates(name: &str) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    let pem = testkit::fixtures::text(name).unwrap();
    rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn acceptor() -> TlsAcceptor {
    use rustls::pki_types::pem::PemObject as _;
    let key = testkit::fixtures::text("tls/server.key").unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(pem_certificates("tls/server.pem"), key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_right_after_a_failed_call_is_tried_again_and_any_other_is_a_crash() {
    let upstream = Upstream::start().await;
    let trap = json!({"then": "trap"});
    let plans = [
        plan(trap.clone(), &upstream.url("/reset")),
        plan(trap, "http://127.0.0.1:1/"),
        plan(json!({"then": "retry"}), &upstream.url("/reset")),
    ];
    let rig = rig(&plans, client(&[&upstream.url("")])).await;
    let failed = rig.call("r0").await;
    assert_eq!((&failed.outcome, &*failed.report.outcome), (&Outcome::Retry { after_ms: None }, "trap_after_failure"));
    let error = failed.report.error.as_deref().unwrap();
    assert!(error.contains("right after a call of the host failed"), "{error}");
    assert!(failed.report.backtrace.is_some());
    assert_eq!(rig.call("r1").await.outcome, Outcome::Crash(Crash::Trap), "a denial is not the upstream's failure");
    assert_eq!(&*rig.call("r2").await.report.outcome, "retry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_when_the_lease_is_over_and_the_event_is_not_blamed() {
    let upstream = Upstream::start().await;
    let plans =
        [plan(json!({"then": "trap"}), &upstream.url("/ok")), plan(json!({"then": "retry"}), &upstream.url("/ok"))];
    let rig = rig(&plans, client(&[&upstream.url("")])).await;
    for room in ["r0", "r1"] {
        let finished = handle(&rig.engine, &rig.generation, event(room), Lease::until(|| true), None).await;
        assert_eq!((&finished.outcome, &*finished.report.outcome), (&Outcome::HostFailed, "lease_over"));
    }
    assert_eq!(upstream.connections(), 0);
}
