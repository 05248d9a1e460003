//! The users of `deploy/nats/users.conf` with what `roomwire nats permissions` allows them: enough for everything, and no more.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream};
use serde_json::{Value, json};
use testkit::{NatsServer, NatsSettings, fixtures, wait_until, workspace};

use crate::rig::{LONG, OUT, Rig, Service, Webhook, handler, make_out, wait_published};

/// Whose events are dead at once.
const BAD: &str = "bad";

/// A server with these users, and what connects to it.
struct Site {
    rig: Rig,
    nats: NatsServer,
    out: stream::Stream,
    receiver: Service,
    published: usize,
}

fn greet(name: &str, more: Value) -> Result<Value> {
    let config = json!({ "publish_to": "out.greet", "subject": "out.greet", "room:bad": "permanent" });
    let mut section = handler(name, "behave", config, json!({ "plugin": "greet" }))?;
    if let (Value::Object(section), Value::Object(more)) = (&mut section, more) {
        section.extend(more);
    }
    Ok(section)
}

impl Site {
    async fn start() -> Result<Self> {
        let rig = Rig::new(json!({ "streams": streams(), "handlers": [greet("greet", json!({}))?] }))?;
        let allowed = rig.roomwire(&["nats", "permissions", "--target", OUT]).await?;
        ensure!(allowed.status.success(), "{allowed:?}");
        fs::write(rig.path("permissions.conf"), allowed.stdout)?;
        let mut users = fs::read_to_string(workspace().join("deploy/nats/users.conf"))?;
        for user in ["receiver", "runner", "operator"] {
            users = users.replace(&format!("${}_PASSWORD", user.to_uppercase()), user);
        }
        // Who sees what the others have done, and has a stream for it.
        users = users.replace("users = [", "users = [\n    { user: admin, password: admin }");
        fs::write(rig.path("users.conf"), users)?;
        let folder = rig.path("users.conf").parent().and_then(|it| it.file_name()).context("no folder")?.to_owned();
        let settings = NatsSettings {
            sync_interval: "2m".to_owned(),
            extra: format!("include \"../{}/users.conf\"", folder.display()),
            ..NatsSettings::default()
        };
        let nats = NatsServer::start_with(settings).await?;
        let out = make_out(&url(&nats, "admin")).await?;
        let applied = rig.roomwire(&["nats", "apply", "--nats", &url(&nats, "operator")]).await?;
        ensure!(applied.status.success(), "{applied:?}");
        let receiver = rig.receiver(&url(&nats, "receiver"), "127.0.0.1:0").await?;
        Ok(Self { rig, nats, out, receiver, published: 0 })
    }

    /// Posts an event, which is handled.
    async fn handle(&mut self) -> Result<()> {
        self.receiver.poster().deliver(&Webhook::new("room_started", "blue")?).await?;
        self.published += 1;
        wait_published(&self.out, self.published).await
    }

    /// Calls as the operator; the objects that come.
    async fn ask(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        self.rig.roomwire_json(&[arguments, &["--nats", &url(&self.nats, "operator")]].concat()).await
    }

    /// As `ask`, where there must be some.
    async fn found(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let found = self.ask(arguments).await?;
        ensure!(!found.is_empty(), "{arguments:?} finds nothing");
        Ok(found)
    }

    async fn push(&self, guest: &str) -> Result<String> {
        let file = fixtures::plugin(guest)?.display().to_string();
        let pushed = self.found(&["plugin", "push", &file, "--name", "greet"]).await?;
        Ok(pushed[0]["plugin"].as_str().context("no reference")?.to_owned())
    }

    async fn deploy(&self, plugin: &str) -> Result<()> {
        let ended = self.found(&["deploy", "greet", "--plugin", plugin]).await?;
        ensure!(ended[0]["outcome"] == "serving", "{ended:?}");
        Ok(())
    }

    /// The digest of the version that serves a handler.
    async fn serving(&self, handler: &str) -> Result<String> {
        let all = self.found(&["status"]).await?;
        let line = all.iter().find(|line| line["handler"] == handler && line["state"] == "serving");
        Ok(line.and_then(|line| line["serving"].as_str()).with_context(|| format!("{all:?}"))?.to_owned())
    }

    /// Pushes a configuration with these handlers; a runner must take it.
    async fn configure(&self, handlers: &[Value]) -> Result<u64> {
        let file = self.rig.path("pushed.yaml");
        fs::write(&file, json!({ "handlers": handlers }).to_string())?;
        let lines = self.found(&["config", "push", &file.display().to_string()]).await?;
        ensure!(lines.iter().any(|line| line["applied"] == true), "{lines:?}");
        lines.iter().find_map(|line| line["pushed"].as_u64()).context("no revision")
    }

    async fn runner(&self, flags: &[&str]) -> Result<Service> {
        let (nats, data) = (url(&self.nats, "runner"), self.rig.data().display().to_string());
        let common = ["--nats", nats.as_str(), "--data", data.as_str()];
        self.rig.start("roomwire-runner", &[&common, flags].concat(), &[]).await
    }

    /// What the server did not allow.
    fn violations(&self) -> Vec<String> {
        self.nats.log().lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
    }

    /// JetStream as one of the users sees it, with inboxes as its own client has them.
    async fn jetstream(&self, user: &str, client: &str) -> Result<jetstream::Context> {
        let options = ConnectOptions::with_user_and_password(user.to_owned(), user.to_owned());
        let options = options.custom_inbox_prefix(format!("_INBOX.{client}"));
        let mut js = jetstream::new(options.connect(self.nats.url()).await?);
        js.set_timeout(Duration::from_millis(500));
        Ok(js)
    }
}

fn streams() -> Value {
    json!({ "shards": 2, "max_bytes": "64MiB" })
}

fn url(nats: &NatsServer, user: &str) -> String {
    format!("nats://{user}:{user}@127.0.0.1:{}", nats.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_may_do_all_that_is_its_part_and_a_runner_cannot_say_what_runs() -> Result<()> {
    let mut site = Site::start().await?;
    let runner = site.runner(&[]).await?;
    let behave = site.push("behave").await?;
    site.deploy(&behave).await?;
    site.handle().await?;
    let publisher = site.push("publisher").await?;
    site.deploy(&publisher).await?;
    site.handle().await?;
    let back = site.found(&["rollback", "greet"]).await?;
    ensure!(back[0]["outcome"] == "serving" && back[0]["plugin"] == behave, "{back:?}");
    site.handle().await?;
    ensure!(behave.ends_with(&site.serving("greet").await?), "another version serves");
    site.found(&["plugin", "list"]).await?;
    site.found(&["plugin", "inspect", "greet"]).await?;
    site.ask(&["plugin", "rm", &publisher, "--force"]).await?;

    // What operators do beside that.
    let mut forged = Webhook::new("room_started", "blue")?;
    site.receiver.poster().deliver(&Webhook::new("room_started", BAD)?).await?;
    forged.body.push(' ');
    let answer = testkit::http::Http::new().webhook(site.receiver.webhook(), "forged", forged.body).await?;
    ensure!(answer.status == 401, "{}", answer.status);
    site.found(&["quarantine", "list"]).await?;
    wait_until(LONG, "the dead letter", || async { site.found(&["dlq", "list"]).await.is_ok() }).await?;
    site.found(&["dlq", "redrive", "--all"]).await?;
    site.ask(&["outbox", "list"]).await?;
    site.found(&["events", "list"]).await?;
    site.ask(&["handler", "pause", "greet"]).await?;
    site.ask(&["handler", "resume", "greet"]).await?;
    site.found(&["handler", "list"]).await?;

    // After a death, and with the configuration from NATS; a handler of another name has what its former one had.
    runner.process.kill9()?;
    runner.process.wait_exit(LONG).await?;
    let file = site.rig.path("first.yaml");
    fs::write(&file, json!({ "handlers": [greet("greet", json!({}))?] }).to_string())?;
    site.found(&["config", "push", &file.display().to_string()]).await?;
    site.rig.configure(json!({ "streams": streams() }))?;
    let runner = site.runner(&["--config-from-nats"]).await?;
    site.handle().await?;
    let revision = site.configure(&[greet("hello", json!({ "renamed_from": "greet" }))?]).await?;
    site.handle().await?;
    ensure!(behave.ends_with(&site.serving("hello").await?), "another version serves");
    site.found(&["config", "pull"]).await?;
    let violations = site.violations();
    ensure!(violations.is_empty(), "{violations:#?}");

    let js = site.jetstream("runner", "roomwire-runner").await?;
    let deploys = js.get_key_value("RW_DEPLOYS").await.context("a runner reads what is deployed")?;
    ensure!(deploys.entry("hello").await?.is_some(), "a runner reads what is deployed");
    ensure!(deploys.put("hello", "{}".into()).await.is_err(), "a runner deployed");
    ensure!(deploys.purge("hello").await.is_err(), "a runner took a deploy away");
    let configs = js.get_key_value("RW_CONFIG").await?;
    ensure!(configs.put("roomwire.yaml", "handlers: []".into()).await.is_err(), "a runner pushed a configuration");
    let plugins = js.get_object_store("RW_PLUGINS").await?;
    ensure!(plugins.put("greet@0", &mut b"wasm".as_slice()).await.is_err(), "a runner pushed a plugin");
    for stream in ["RW_EVENTS_0", "KV_RW_DEPLOYS", "OBJ_RW_PLUGINS"] {
        ensure!(js.delete_stream(stream).await.is_err(), "a runner deleted {stream}");
    }
    let forged = js.publish("rw.ev.0.room_started", "{}".into()).await?;
    ensure!(forged.await.is_err(), "a runner stored an event");
    let js = site.jetstream("receiver", "roomwire-receiver").await?;
    ensure!(js.get_key_value("RW_DEPLOYS").await.is_err(), "a receiver read what is deployed");
    ensure!(js.get_stream("RW_EVENTS_0").await?.purge().await.is_err(), "a receiver purged events");
    let violations = site.violations();
    for subject in ["$KV.RW_DEPLOYS.hello", "$KV.RW_CONFIG.roomwire.yaml", "$O.RW_PLUGINS.", "rw.ev.0.room_started"] {
        ensure!(violations.iter().any(|line| line.contains(subject)), "{subject}: {violations:#?}");
    }

    // All is as it was.
    let pulled = site.found(&["config", "pull"]).await?;
    ensure!(pulled[0]["revision"].as_u64() == Some(revision), "{pulled:?}");
    site.handle().await?;
    ensure!(behave.ends_with(&site.serving("hello").await?), "another version serves");
    drop(runner);
    Ok(())
}
