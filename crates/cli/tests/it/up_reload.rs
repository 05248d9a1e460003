//! `roomwire up` reads keys and certificates again while it runs, and serves HTTPS.

use std::fs;

use livekit::generate::{Names, event};
use livekit::token::{Secret, sign};
use testkit::http::Http;
use testkit::https::{Https, certificate};
use testkit::{fixtures, wait_until};

use crate::call::Place;
use crate::up::{SOON, Up};

const OLD: (&str, &str) = ("old", "the-old-secret-the-old-secret-the-old");
const NEW: (&str, &str) = ("new", "the-new-secret-the-new-secret-the-new");

fn signed((key, secret): (&str, &str)) -> (String, String) {
    let body = event("room_started", &Names::new("reload", ""));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    (sign(key, &Secret::new(secret).unwrap(), body.as_bytes(), now), body)
}

fn config((key, secret): (&str, &str), receiver: &str) -> String {
    format!("livekit: {{ keys: {{ {key}: {secret} }} }}\n{receiver}")
}

async fn shows(up: &Up, line: &str) {
    let (http, url) = (Http::new(), format!("{}/metrics", up.text("admin")));
    let seen = || async { http.get(&url).await.is_ok_and(|answer| answer.text().contains(line)) };
    let seen = wait_until(SOON, line, seen).await;
    seen.unwrap_or_else(|error| panic!("{error}: {}", up.process.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_follow_the_file_and_sighup_ends_nothing() {
    let place = Place::new();
    place.write("roomwire.yaml", &config(OLD, ""));
    let up = Up::start(&place, &[]).await;
    let http = Http::new();
    let status = async |key| {
        let (token, body) = signed(key);
        http.webhook(up.text("webhook"), &token, body).await.unwrap().status
    };
    assert_eq!((status(OLD).await, status(NEW).await), (200, 401));
    place.write("roomwire.yaml", &config(NEW, ""));
    shows(&up, "roomwire_keys_reloads_total{outcome=\"applied\"} 1\n").await;
    assert_eq!((status(OLD).await, status(NEW).await), (401, 200));
    place.write("roomwire.yaml", "livekit: { keys: { new: short } }\n");
    up.process.sighup().unwrap();
    shows(&up, "roomwire_keys_refused 1\n").await;
    assert_eq!(status(NEW).await, 200, "a wrong file changes nothing");
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_it_serves_https_and_takes_the_renewed_one() {
    let place = Place::new();
    let put = |name: &str| {
        for end in ["crt", "key"] {
            fs::copy(fixtures::path(&format!("tls/{name}.{end}")), place.path().join(format!("tls.{end}"))).unwrap();
        }
    };
    put("first");
    place.write("roomwire.yaml", &config(OLD, "receiver: { tls: { cert: tls.crt, key: tls.key } }\n"));
    let up = Up::start(&place, &[]).await;
    let url = up.text("webhook");
    let address = url.strip_prefix("https://").and_then(|rest| rest.strip_suffix("/livekit")).unwrap();
    let (token, body) = signed(OLD);
    let mut open = Https::connect(address, "h2").await.unwrap();
    assert_eq!(open.webhook("/livekit", &token, &body).await.unwrap(), 200);
    put("second");
    shows(&up, "roomwire_certificate_reloads_total{outcome=\"applied\"} 1\n").await;
    let new = Https::connect(address, "http/1.1").await.unwrap();
    assert_eq!(new.certificate, certificate("second.crt").unwrap());
    assert_eq!(open.webhook("/livekit", &token, &body).await.unwrap(), 200);
    drop((open, new));
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_served_is_refused_before_anything_is_started() {
    let place = Place::new();
    place.write("roomwire.yaml", "receiver: { tls: { cert: tls.crt, key: tls.key } }\n");
    let arguments = ["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let called = place.call_beside(&arguments).await;
    assert_eq!(called.code, 64);
    assert!(called.stderr.contains("receiver.tls.cert") && called.stderr.contains("must exist"), "{}", called.stderr);
    fs::copy(fixtures::path("tls/first.crt"), place.path().join("tls.crt")).unwrap();
    fs::copy(fixtures::path("tls/first.key"), place.path().join("tls.key")).unwrap();
    let called = place.call_beside(&[&arguments[..], &["--demo"]].concat()).await;
    assert_eq!(called.code, 64);
    assert!(called.stderr.contains("remove `receiver.tls`"), "{}", called.stderr);
}
