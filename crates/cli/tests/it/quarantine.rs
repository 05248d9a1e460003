//! `roomwire quarantine`: what a receiver refused is found, explained, and stored after all when it was good.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit::generate::{Names, event};
use livekit::token::{Keys, Secret, sign};
use receiver::{Clock, Config, Privacy};
use serde_json::{Value, json};
use service::admin::{Health, Metrics};
use service::config::{NatsSection, QuarantineSection};
use service::nats::FirstConnect;
use testkit::http::Http;
use testkit::{NatsServer, Process, Stored, wait_until};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::call::{Called, Place};

const SOON: Duration = Duration::from_secs(30);
const SECRET: &str = "the-right-secret-the-right-secret-the-right";
const WRONG: &str = "the-wrong-secret-the-wrong-secret-the-wrong";

/// A receiver that lives an hour ago, and an operator today.
struct Site {
    nats: NatsServer,
    place: Place,
    http: Http,
    url: String,
    then_s: u64,
    stop: CancellationToken,
}

impl Site {
    async fn start(keys: &[(&str, &str)], change: impl FnOnce(&mut Config)) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let then_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 3600;
        let keys: Keys = keys.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(text).unwrap())).collect();
        let mut config = Config::new(&service::config::Config::default(), keys, None);
        config.clock = Clock::new(move || then_s * 1000);
        config.answer_within = SOON;
        // JetStream forgets ids at once, so that nothing here rests on its memory.
        config.streams.duplicate_window = Duration::from_millis(100);
        // As fast as the tests can send.
        config.quarantine = Some(QuarantineSection { rate: NonZeroU32::MAX, ..QuarantineSection::default() });
        change(&mut config);
        let section = NatsSection { url: Some(nats.url()), ..NatsSection::default() };
        let connection = service::nats::connect(&section, "test", FirstConnect::Retry).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/livekit", listener.local_addr().unwrap());
        let (health, stop) = (Health::new(), CancellationToken::new());
        // Known before it runs, so that ready says something.
        let _component = health.component("receiver");
        let (running, token) = (health.clone(), stop.clone());
        tokio::spawn(
            async move { receiver::run(listener, connection, config, &running, &Metrics::default(), token).await },
        );
        wait_until(SOON, "the receiver is ready", || async { health.is_ready() }).await.unwrap();
        let site = Self { nats, place: Place::new(), http: Http::new(), url, then_s, stop };
        site.keys(&[("main", SECRET)]);
        site
    }

    /// What the operator's configuration says.
    fn keys(&self, keys: &[(&str, &str)]) {
        let lines: Vec<String> = keys.iter().map(|(name, secret)| format!("    {name}: {secret}\n")).collect();
        self.place.write("roomwire.yaml", &format!("livekit:\n  keys:\n{}", lines.concat()));
    }

    async fn send(&self, key: &str, secret: &str, body: &str) -> u16 {
        let token = sign(key, &Secret::new(secret).unwrap(), body.as_bytes(), self.then_s);
        self.http.webhook(&self.url, &token, body.to_owned()).await.unwrap().status
    }

    async fn call(&self, arguments: &[&str]) -> Called {
        let nats = self.nats.url();
        let common = ["--output", "json", "--nats", nats.as_str(), "quarantine"];
        self.place.call_beside(&[&common[..], arguments].concat()).await
    }

    /// Calls it and returns its lines and, apart, the sum.
    async fn reverify(&self, further: &[&str]) -> (Vec<Value>, Value) {
        let called = self.call(&[&["reverify"], further].concat()).await;
        assert_eq!(called.code, 0, "{}{}", called.stdout, called.stderr);
        let mut lines = called.json();
        let sum = lines.pop().unwrap();
        (lines, sum["sum"].clone())
    }

    async fn stored(&self) -> Vec<Stored> {
        testkit::stored(&self.nats.url(), "RW_EVENTS_").await.unwrap()
    }

    async fn quarantined(&self) -> Vec<Stored> {
        testkit::stored(&self.nats.url(), "RW_QUARANTINE_").await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn body_of(room: &str) -> String {
    event("room_started", &Names::new(room, ""))
}

fn id_of(body: &str) -> String {
    livekit::body::inspect(body.as_bytes()).unwrap().id.to_string()
}

/// The ids of each room, in the order of the streams.
fn by_room(stored: &[Stored]) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in stored {
        rooms.entry(message.header("Rw-Key").to_owned()).or_default().push(message.header("ce-id").to_owned());
    }
    rooms
}

/// Sends so many events to a receiver that has the wrong secret.
async fn refuse(site: &Site, rooms: usize, events: usize) -> BTreeMap<String, Vec<String>> {
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..events {
        for room in 0..rooms {
            let room = format!("room-{room}");
            let body = body_of(&room);
            assert_eq!(site.send("main", SECRET, &body).await, 401);
            sent.entry(room).or_default().push(id_of(&body));
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_after_a_wrong_secret_every_refused_event_enters_in_its_order_and_once() {
    let site = Site::start(&[("main", WRONG)], |_| ()).await;
    let sent = refuse(&site, 3, 5).await;

    site.keys(&[("main", WRONG)]);
    let (lines, sum) = site.reverify(&[]).await;
    assert_eq!((&lines[0]["result"], &lines[0]["reason"]), (&json!("refused"), &json!("bad_signature")));
    assert_eq!((&sum["refused"], site.quarantined().await.len()), (&json!(15), 15), "what stays refused stays");

    site.keys(&[("main", SECRET)]);
    let (_, sum) = site.reverify(&["--dry-run"]).await;
    assert_eq!((&sum["recoverable"], &sum["recovered"]), (&json!(15), &json!(0)));
    assert_eq!((site.stored().await.len(), site.quarantined().await.len()), (0, 15), "a dry run changes nothing");

    let (lines, sum) = site.reverify(&[]).await;
    assert_eq!(sum["recovered"], 15);
    let told: Vec<&Value> = lines.iter().map(|line| &line["ref"]).collect();
    assert_eq!(told, (1..=15).map(|seq| json!(format!("named-{seq}"))).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    let stored = site.stored().await;
    assert_eq!(by_room(&stored), sent);
    let arrived = jiff::Timestamp::from_second(i64::try_from(site.then_s).unwrap()).unwrap();
    for message in &stored {
        assert_eq!(message.header("Rw-Received-At"), format!("{arrived:.3}"));
        assert_eq!((message.header("Nats-Msg-Id"), message.header("Rw-Api-Key")), (message.header("ce-id"), "main"));
        assert!(message.headers.iter().all(|(name, _)| name.to_string() != "Rw-Authorization"), "no token");
    }
    assert!(site.quarantined().await.is_empty());

    let (lines, sum) = site.reverify(&[]).await;
    assert!(lines.is_empty() && sum["recovered"] == 0, "{lines:?} {sum}");
    assert_eq!(site.stored().await.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_and_run_again_it_loses_nothing_and_stores_nothing_twice() {
    let site = Site::start(&[("main", WRONG)], |_| ()).await;
    let sent = refuse(&site, 2, 150).await;
    let nats = site.nats.url();
    for _ in 0..2 {
        let command = site.place.command(&["--nats", &nats, "quarantine", "reverify"]);
        let running = Process::spawn("roomwire", command).unwrap();
        let told = || running.log().lines().filter(|line| line.contains("recovered")).count();
        wait_until(SOON, "some are stored", || async { told() >= 20 }).await.unwrap();
        running.kill9().unwrap();
    }
    let (_, sum) = site.reverify(&[]).await;
    assert_eq!(by_room(&site.stored().await), sent, "{sum}");
    assert!(site.quarantined().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_stored_already_is_only_removed() {
    let site = Site::start(&[("main", SECRET)], |_| ()).await;
    let body = body_of("both");
    // LiveKit sends the same event for a second webhook, signed with another key. Between the two is more than the time
    // for which JetStream knows ids, as after a kill between storing and removing.
    assert_eq!(site.send("main", SECRET, &body).await, 200);
    assert_eq!(site.send("second", WRONG, &body).await, 401);
    site.keys(&[("main", SECRET), ("second", WRONG)]);
    let (_, sum) = site.reverify(&["--dry-run"]).await;
    assert_eq!((&sum["already_stored"], site.quarantined().await.len()), (&json!(1), 1));
    let (lines, _) = site.reverify(&[]).await;
    assert_eq!((&lines[0]["result"], &lines[0]["ref"]), (&json!("already_stored"), &json!("unknown-1")));
    assert_eq!((site.stored().await.len(), site.quarantined().await.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_judged_at_the_time_of_its_arrival_and_what_is_bad_stays() {
    let site = Site::start(&[("main", SECRET)], |_| ()).await;
    let (late, long) =
        (body_of("late"), format!("{{\"event\":\"x\",\"id\":\"EV_1\",\"p\":\"{}\"}}", "x".repeat(70_000)));
    let token = sign("main", &Secret::new(SECRET).unwrap(), late.as_bytes(), site.then_s - 400);
    assert_eq!(site.http.webhook(&site.url, &token, late).await.unwrap().status, 401);
    assert_eq!(site.send("other", WRONG, &long).await, 401);
    site.keys(&[("main", SECRET), ("other", WRONG)]);
    let (lines, sum) = site.reverify(&[]).await;
    let told: Vec<_> =
        lines.iter().map(|line| (line["ref"].as_str().unwrap(), line["result"].as_str().unwrap())).collect();
    assert_eq!(told, [("signed-1", "refused"), ("unknown-1", "incomplete")]);
    assert!(lines[0]["words"].as_str().unwrap().starts_with("the token expired 100 s ago"), "{}", lines[0]);
    assert_eq!((&sum["refused"], &sum["incomplete"], site.quarantined().await.len()), (&json!(1), &json!(1), 2));
    assert!(site.stored().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_fields_were_dropped_is_recovered_with_the_hash_of_the_whole() {
    let privacy = |config: &mut Config| config.privacy = Privacy::new(["turnPassword".to_owned(), "room".to_owned()]);
    let site = Site::start(&[("main", WRONG)], privacy).await;
    let body = body_of("hidden");
    assert_eq!(site.send("main", SECRET, &body).await, 401);
    let (_, sum) = site.reverify(&[]).await;
    assert_eq!(sum["recovered"], 1);
    let stored = site.stored().await;
    assert!(!String::from_utf8_lossy(&stored[0].body).contains("hidden"));
    assert_eq!(stored[0].header("Rw-Key"), "hidden", "its place is that of the whole");
    assert_eq!(stored[0].header("Rw-Body-Sha256"), livekit::token::sha256(body.as_bytes()).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_listed_with_their_reason_and_filtered() {
    let site = Site::start(&[("main", WRONG)], |_| ()).await;
    refuse(&site, 1, 2).await;
    assert_eq!(site.send("other", SECRET, &body_of("other")).await, 401);
    for (filter, number) in [
        (&[][..], 3),
        (&["--limit", "1"], 1),
        (&["--limit", "0"], 0),
        (&["--reason", "bad_signature"], 2),
        (&["--reason", "expired"], 0),
        (&["--key-name", "other"], 1),
        (&["--class", "named"], 2),
        (&["--class", "signed"], 0),
        (&["--since", "2h"], 3),
        (&["--since", "30m"], 0),
    ] {
        let called = site.call(&[&["list"], filter].concat()).await;
        assert_eq!((called.code, called.json().len()), (0, number), "{filter:?} {}{}", called.stdout, called.stderr);
    }
    let listed = site.call(&["list", "--class", "named"]).await;
    let refs: Vec<Value> = listed.json().iter().map(|line| line["ref"].clone()).collect();
    assert_eq!(refs, ["named-2", "named-1"], "the newest first");
    let line = &listed.json()[0];
    assert_eq!(
        (&line["key_name"], &line["type"], &line["key"]),
        (&json!("main"), &json!("room_started"), &json!("room-0"))
    );
    assert_eq!(line["words"], "bad signature for API key \"main\": the secret here and the sender's differ");
    assert!(!listed.stdout.contains("eyJ"), "no token: {}", listed.stdout);
    let nats = site.nats.url();
    let text = site.place.call_beside(&["--nats", &nats, "quarantine", "list"]).await.stdout;
    assert!(text.contains("unknown API key \"other\", known keys are main: add it"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_shown_whole_with_its_token_taken_apart() {
    let site = Site::start(&[("main", WRONG)], |_| ()).await;
    let body = body_of("shown");
    assert_eq!(site.send("main", SECRET, &body).await, 401);
    let token = sign("main", &Secret::new(SECRET).unwrap(), body.as_bytes(), site.then_s);
    let (_, signature) = token.rsplit_once('.').unwrap();

    let shown = site.call(&["show", "1"]).await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let [line] = shown.json().try_into().unwrap();
    assert_eq!((&line["ref"], &line["body"]["text"]), (&json!("named-1"), &json!(body)));
    assert_eq!((&line["token"]["header"]["alg"], &line["token"]["claims"]["iss"]), (&json!("HS256"), &json!("main")));
    let nats = site.nats.url();
    let text = site.place.call_beside(&["--nats", &nats, "quarantine", "show", "named-1"]).await.stdout;
    assert!(text.contains("bad signature for API key") && text.contains(&body), "{text}");
    for told in [&shown.stdout, &text] {
        assert!(!told.contains(signature) && !told.contains(SECRET) && !told.contains(WRONG), "{told}");
    }
    let raw = site.call(&["show", "named-1", "--raw"]).await.json();
    assert_eq!(raw[0]["token"], token);

    assert_eq!(site.send("other", SECRET, &body).await, 401);
    let several = site.call(&["show", "1"]).await;
    assert_eq!(several.code, 1);
    assert!(
        several.stderr.contains("several classes have a request 1; say which: named-1, unknown-1"),
        "{}",
        several.stderr
    );
    let none = site.call(&["show", "99"]).await;
    assert!(none.code == 1 && none.stderr.contains("there is no refused request 99"), "{}", none.stderr);
    assert_eq!(site.call(&["show", "nothing"]).await.code, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_that_is_said() {
    let site = Site::start(&[("main", WRONG)], |config| config.quarantine = None).await;
    let called = site.call(&["list"]).await;
    assert_eq!(called.code, 1);
    assert!(called.stderr.contains("there is no quarantine under the prefix `rw`"), "{}", called.stderr);
}
