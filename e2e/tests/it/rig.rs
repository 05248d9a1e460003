//! What every test here needs: a folder with a configuration, the services as processes, and what they left behind.

mod load;
mod output;
mod port;
mod recorder;
mod request;
mod service;

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::webhook::{KEY, SECRET};
use testkit::{Process, fixtures};

pub(crate) use load::{Load, Poster, Webhook, webhooks};
pub(crate) use output::{OUT, event_id, events_stored, ids, ids_by_room, make_out, published, repeats, wait_published};
pub(crate) use port::free_address;
pub(crate) use recorder::{Attempt, Recorder, Reply, Script};
pub(crate) use request::Request;
pub(crate) use service::Service;

/// Every wait ends after this, for machines on which everything takes ten times as long.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Says which nats-server `up` starts: it runs in a folder in which it would find none.
const NATS_SERVER: &str = "ROOMWIRE_NATS_SERVER";

/// A folder of its own with `roomwire.yaml` and the data folder. The processes that are started from it are its caller's.
pub(crate) struct Rig {
    folder: TempDir,
}

impl Rig {
    /// A folder with this configuration. `livekit.keys` is that of `testkit::webhook` unless it is given.
    pub(crate) fn new(config: Value) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rw-e2e-").tempdir().context("cannot make a folder")?;
        let rig = Self { folder };
        rig.configure(config)?;
        Ok(rig)
    }

    /// Writes another configuration; processes that run go on with theirs.
    pub(crate) fn configure(&self, mut config: Value) -> Result<()> {
        let keys = json!({ "keys": { KEY: SECRET } });
        config.as_object_mut().context("the configuration is not an object")?.entry("livekit").or_insert(keys);
        // JSON is YAML.
        fs::write(self.config(), config.to_string()).context("cannot write the configuration")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("roomwire.yaml")
    }

    /// A file or folder beside the configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder of `up` and of the runner.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts `roomwire-receiver` and waits until it is ready. `listen` is `127.0.0.1:0`, or a [`free_address`] where
    /// another one is to take its place.
    pub(crate) async fn receiver(&self, nats: &str, listen: &str) -> Result<Service> {
        self.start("roomwire-receiver", &["--nats", nats, "--listen", listen], &[]).await
    }

    /// Starts `roomwire-runner` and waits until it is ready.
    pub(crate) async fn runner(&self, nats: &str) -> Result<Service> {
        self.start("roomwire-runner", &["--nats", nats, "--data", &self.data().display().to_string()], &[]).await
    }

    /// Starts `roomwire up` with a nats-server of its own and waits until everything is ready.
    pub(crate) async fn up(&self, listen: &str) -> Result<Service> {
        let data = self.data().display().to_string();
        self.start("roomwire", &["up", "--data", &data, "--listen", listen], &[]).await
    }

    /// Starts a service with further flags and environment variables, and waits until it is ready.
    pub(crate) async fn start(&self, binary: &str, flags: &[&str], environment: &[(&str, &str)]) -> Result<Service> {
        self.start_within(LONG, binary, flags, environment).await
    }

    /// As `start`, where there is more to do before it is ready.
    pub(crate) async fn start_within(
        &self,
        deadline: Duration,
        binary: &str,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        let ready = self.path(&format!("{binary}.ready"));
        let process = self.spawn(binary, flags, environment)?;
        let text = process.wait_file(&ready, deadline).await?;
        Service::new(process, &text)
    }

    /// Starts a service and does not wait: it may die before it is ready.
    pub(crate) fn spawn(&self, binary: &str, flags: &[&str], environment: &[(&str, &str)]) -> Result<Process> {
        let ready = self.path(&format!("{binary}.ready"));
        // One that was killed left its own.
        if ready.exists() {
            fs::remove_file(&ready).context("cannot remove the old ready file")?;
        }
        let (config, ready) = (self.config().display().to_string(), ready.display().to_string());
        let common = ["--config", &config, "--ready-file", &ready, "--admin", "127.0.0.1:0"];
        let flags: Vec<&str> = flags.iter().copied().chain(common).collect();
        let server = testkit::nats_server_binary()?.display().to_string();
        let environment: Vec<_> = environment.iter().copied().chain([(NATS_SERVER, server.as_str())]).collect();
        Process::start_in(binary, flags, self.folder.path(), &environment)
    }

    /// Runs `roomwire` with these arguments to its end, with the configuration and data folder of this rig.
    pub(crate) async fn roomwire(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::new(testkit::release_binary("roomwire")?);
        command.args(arguments).arg("--config").arg(self.config()).arg("--data").arg(self.data());
        command.env(NATS_SERVER, testkit::nats_server_binary()?).current_dir(self.folder.path()).kill_on_drop(true);
        tokio::time::timeout(LONG, command.output())
            .await
            .with_context(|| format!("`roomwire {}` did not end", arguments.join(" ")))?
            .context("cannot run roomwire")
    }

    /// Runs `roomwire … --output json` and returns the objects that it wrote, one a line.
    pub(crate) async fn roomwire_json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let output = self.roomwire(&[arguments, &["--output", "json"]].concat()).await?;
        if !output.status.success() {
            bail!("`roomwire {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout).context("not text")?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// What the books of the stopped runner say, one row a handler and shard.
    pub(crate) async fn books(&self) -> Result<Vec<store::BooksRow>> {
        let url = format!("sqlite:{}", self.data().join("state.db").display());
        let prefix = event::Prefix::default();
        let store = Box::pin(store::Store::open(&url, &prefix)).await.context("cannot open the state store")?;
        let books = Box::pin(store.books()).await.context("cannot read the books")?;
        store.close().await;
        Ok(books)
    }
}

/// The section of a handler with a test guest (`behave`, `publisher`) and its config, on every event, which may publish
/// to `out.>`. `more` is laid over it.
#[expect(clippy::needless_pass_by_value, reason = "callers write the config in place")]
pub(crate) fn handler(name: &str, guest: &str, config: Value, more: Value) -> Result<Value> {
    let plugin = fixtures::plugin(guest)?;
    let mut section = json!({
        "name": name, "plugin": plugin, "on": ["*"], "start": "all", "config": config, "allow": { "publish": ["out.>"] },
    });
    if let (Value::Object(section), Value::Object(more)) = (&mut section, more) {
        section.extend(more);
    }
    Ok(section)
}

/// A handler `app` that sends everything on to this URL.
pub(crate) fn forward(url: &str, send: &Value) -> Result<Value> {
    let origin = url.rsplit_once('/').context("an URL with a path")?.0;
    let more = json!({ "allow": { "http": [origin] }, "send": send });
    handler("app", "forward", json!({ "url": url }), more)
}
