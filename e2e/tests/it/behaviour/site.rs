//! One `roomwire up` in a folder of its own, on a nats-server of its own, and what tests ask of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use store::BooksRow;
use testkit::http::Http;
use testkit::{NatsServer, NatsSettings, Stored, stored, wait_for, wait_until, webhook};

use crate::rig::{LONG, OUT, Rig, Service, make_out};

/// How long the event streams know ids: longer than any test.
pub(super) const WINDOW: &str = "10m";

/// The shortest time for which a stream can know ids.
pub(super) const SHORTEST_WINDOW: &str = "100ms";

/// The body of an event with an id of the test's choice and little else.
pub(super) fn body(kind: &str, room: &str, id: &str) -> String {
    let body = json!({
        "event": kind, "room": {"sid": "RM_1", "name": room}, "participant": {"sid": "PA_1", "identity": "ann"},
        "id": id, "createdAt": "1769860800",
    });
    body.to_string()
}

/// A running `up` with its folder and server.
pub(super) struct Site {
    nats: NatsServer,
    client: async_nats::Client,
    rig: Rig,
    up: Service,
    http: Http,
    window: &'static str,
}

impl Site {
    /// Starts one with these handlers.
    pub(super) async fn start(window: &'static str, handlers: &[Value]) -> Result<Self> {
        let rig = Rig::new(config(window, handlers))?;
        Self::start_in(rig, window, handlers).await
    }

    /// As `start`, in a folder in which there is something already.
    pub(super) async fn start_in(rig: Rig, window: &'static str, handlers: &[Value]) -> Result<Self> {
        Self::start_with(rig, window, handlers, json!({}), "").await
    }

    /// As `start_in`, with further sections in the configuration and lines in that of the server.
    pub(super) async fn start_with(
        rig: Rig,
        window: &'static str,
        handlers: &[Value],
        more: Value,
        server: &str,
    ) -> Result<Self> {
        // Nobody pulls the plug here, so the server need not wait for the disk.
        let settings =
            NatsSettings { sync_interval: "2m".to_owned(), extra: server.to_owned(), ..NatsSettings::default() };
        let nats = NatsServer::start_with(settings).await?;
        make_out(&nats.url()).await?;
        let mut config = config(window, handlers);
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        rig.configure(config)?;
        let (client, up) = (nats.client().await?, launch(&rig, &nats).await?);
        Ok(Self { nats, client, rig, up, http: Http::new(), window })
    }

    /// Ctrl-C, and starts anew with these handlers.
    pub(super) async fn restart(self, handlers: &[Value]) -> Result<Self> {
        self.stop().await?;
        self.rig.configure(config(self.window, handlers))?;
        let up = launch(&self.rig, &self.nats).await?;
        Ok(Self { up, ..self })
    }

    /// Writes the file with these handlers while `up` runs.
    pub(super) fn configure(&self, handlers: &[Value]) -> Result<()> {
        self.rig.configure(config(self.window, handlers))
    }

    /// What `up` wrote.
    pub(super) fn log(&self) -> String {
        self.up.process.log()
    }

    /// The handlers and epochs of all claims of shards so far, by handler and epoch.
    pub(super) fn claims(&self) -> Vec<(String, u64)> {
        let field = |line: &str, name: &str| -> Option<String> {
            let value = line.split(&format!("{name}=")).nth(1)?;
            value.split_whitespace().next().map(|word| word.trim_matches('"').to_owned())
        };
        let claim = |line: &str| Some((field(line, "handler")?, field(line, "epoch")?.parse().ok()?));
        let log = self.log();
        let mut claims: Vec<(String, u64)> =
            log.lines().filter(|line| line.contains("claimed a shard")).filter_map(claim).collect();
        claims.sort();
        claims
    }

    /// kill -9, and starts anew.
    pub(super) async fn kill_and_start(self) -> Result<Self> {
        self.up.process.kill9()?;
        self.up.process.wait_exit(LONG).await?;
        let up = launch(&self.rig, &self.nats).await?;
        Ok(Self { up, ..self })
    }

    /// Ctrl-C, then this, and starts anew.
    pub(super) async fn restart_after(self, meanwhile: impl FnOnce(&Rig) -> Result<()>) -> Result<Self> {
        self.stop().await?;
        meanwhile(&self.rig)?;
        let up = launch(&self.rig, &self.nats).await?;
        Ok(Self { up, ..self })
    }

    /// kill -9 of its server, which is started anew on the same data.
    pub(super) async fn restart_server(&self) -> Result<()> {
        self.nats.restart().await
    }

    /// Its server, with other lines in its configuration from now on.
    pub(super) fn reload_server(&mut self, lines: &str) -> Result<()> {
        self.nats.reload_with(lines)
    }

    /// Where its server is, for users with a name: `host:port`.
    pub(super) fn server(&self) -> String {
        format!("127.0.0.1:{}", self.nats.port())
    }

    /// A client of its server.
    pub(super) fn client(&self) -> async_nats::Client {
        self.client.clone()
    }

    /// Stops it, and gives what is left behind: nothing can be added to that any more.
    pub(super) async fn end(self) -> Result<Ended> {
        self.stop().await?;
        Ok(Ended { books: self.rig.books().await?, out: stored(&self.nats.url(), OUT).await? })
    }

    async fn stop(&self) -> Result<()> {
        self.up.process.sigint()?;
        let status = self.up.process.wait_exit(LONG).await?;
        ensure!(status.success(), "{status}: {}", self.up.process.log());
        Ok(())
    }

    /// A file beside the configuration.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.rig.path(name)
    }

    /// Posts an event as LiveKit does; it must be taken. A busy machine may need a repeat.
    pub(super) async fn post(&self, kind: &str, room: &str, id: &str) -> Result<()> {
        self.post_body(&body(kind, room, id)).await.with_context(|| id.to_owned())
    }

    /// As `post`, with this body.
    pub(super) async fn post_body(&self, body: &str) -> Result<()> {
        let status = wait_for(LONG, "an answer that is no 503", || async {
            let answer = webhook::deliver(&self.http, self.up.webhook(), body).await.ok()?;
            (answer.status != 503).then_some(answer.status)
        });
        let status = status.await.with_context(|| self.up.process.log())?;
        ensure!(status == 200, "{body} was answered {status}");
        Ok(())
    }

    /// Posts events of one kind and room, one after another.
    pub(super) async fn post_all(&self, kind: &str, room: &str, ids: &[impl AsRef<str> + Sync]) -> Result<()> {
        for id in ids {
            self.post(kind, room, id.as_ref()).await?;
        }
        Ok(())
    }

    /// Calls the command line, which must end well; the objects that it wrote.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        self.rig.roomwire_json(&[arguments, &["--nats", &self.nats.url()]].concat()).await
    }

    /// The one object that a call writes.
    pub(super) async fn ask_one(&self, arguments: &[&str]) -> Result<Value> {
        let mut objects = self.ask(arguments).await?;
        ensure!(objects.len() == 1, "{arguments:?}: {objects:?}");
        objects.pop().context("one object")
    }

    /// As `ask`, where the arguments say which server is meant.
    pub(super) async fn ask_elsewhere(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        self.rig.roomwire_json(arguments).await
    }

    /// The exit code of a call, and what it says on stderr.
    pub(super) async fn call(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = self.rig.roomwire(&[arguments, &["--nats", &self.nats.url()]].concat()).await?;
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(output.stderr)?))
    }

    /// What a call that must fail says on stderr.
    pub(super) async fn refusal(&self, arguments: &[&str]) -> Result<String> {
        let output = self.rig.roomwire(&[arguments, &["--nats", &self.nats.url()]].concat()).await?;
        ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stderr)?)
    }

    /// What has become of events, by id and handler, in one word; nothing for what is not settled.
    pub(super) async fn states(&self, ids: &[impl AsRef<str>]) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        let request = json!({"command": "events_status", "ids": ids}).to_string();
        let reply = self.client.request("rw.ctl.runner", request.into()).await?;
        let answer: Value = serde_json::from_slice(&reply.payload)?;
        let events = answer.get("events").cloned().unwrap_or_default();
        serde_json::from_value(events).with_context(|| answer.to_string())
    }

    /// Waits until the handler has this to say of the event.
    pub(super) async fn wait_state(&self, handler: &str, id: &str, state: &str) -> Result<()> {
        self.wait(&format!("{id} to be {state} for {handler}"), || async {
            let states = self.states(&[id]).await?;
            Ok(states.get(id).and_then(|of| of.get(handler)).is_some_and(|found| found == state))
        })
        .await
    }

    /// How many messages a stream holds on these subjects.
    pub(super) async fn count(&self, stream: &str, subjects: &str) -> Result<usize> {
        // These futures are so large that they are better kept out of those of the tests.
        let stream = Box::pin(jetstream::new(self.client.clone()).get_stream(stream)).await?;
        let counts = Box::pin(stream.info_with_subjects(subjects)).await?;
        let counts: Vec<(String, usize)> = counts.try_collect().await?;
        Ok(counts.into_iter().map(|(_, count)| count).sum())
    }

    /// Waits until the guests have published this many messages to a subject.
    pub(super) async fn wait_out(&self, subject: &str, number: usize) -> Result<()> {
        self.wait(&format!("{number} messages on {subject}"), || async {
            Ok(self.count(OUT, subject).await? >= number)
        })
        .await
    }

    /// The messages of all streams whose names start so.
    pub(super) async fn stored(&self, prefix: &str) -> Result<Vec<Stored>> {
        stored(&self.nats.url(), prefix).await
    }

    /// Waits until so many of a handler's plugin files were `taken` or `refused`.
    pub(super) async fn wait_activations(&self, handler: &str, outcome: &str, number: f64) -> Result<()> {
        let (handler, outcome) = (format!("handler=\"{handler}\""), format!("outcome=\"{outcome}\""));
        self.wait(&format!("plugin files: {handler}, {outcome}, {number}"), || async {
            let all = self.up.metric("roomwire_runner_plugin_activations_total").await?;
            let of = |labels: &str| labels.contains(&handler) && labels.contains(&outcome);
            Ok(all.iter().any(|(labels, value)| of(labels) && *value >= number))
        })
        .await
    }

    /// The values of a metric, by their labels.
    pub(super) async fn metric(&self, name: &str) -> Result<Vec<(String, f64)>> {
        self.up.metric(name).await
    }

    /// The status and the text of `/readyz`.
    pub(super) async fn readyz(&self) -> Result<(u16, String)> {
        let answer = self.http.get(&format!("{}/readyz", self.up.admin())).await?;
        Ok((answer.status, answer.text()))
    }

    /// Waits; if it is in vain, with what `up` wrote.
    pub(super) async fn wait<F, Fut>(&self, what: &str, mut condition: F) -> Result<()>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<bool>>,
    {
        wait_until(LONG, what, || {
            let holds = condition();
            async { holds.await.unwrap_or(false) }
        })
        .await
        .with_context(|| self.up.process.log())
    }
}

/// What an `up` that has ended left behind.
pub(super) struct Ended {
    books: Vec<BooksRow>,
    out: Vec<Stored>,
}

/// A handler's books over all shards.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) done: u64,
    pub(super) skipped: u64,
    pub(super) filtered: u64,
    pub(super) duplicate: u64,
    pub(super) parked: u64,
    pub(super) dead: u64,
}

impl Ended {
    /// The bodies that guests published to a subject, in order: mostly ids.
    pub(super) fn out(&self, subject: &str) -> Vec<String> {
        ids(&self.out, subject)
    }

    /// As `out`, in order of the alphabet.
    pub(super) fn sorted(&self, subject: &str) -> Vec<String> {
        let mut ids = self.out(subject);
        ids.sort();
        ids
    }

    /// The messages on a subject.
    pub(super) fn messages(&self, subject: &str) -> Vec<&Stored> {
        self.out.iter().filter(|message| message.subject == subject).collect()
    }

    /// A handler's books, in which no sequence may be missing.
    pub(super) fn books(&self, handler: &str) -> Result<Sums> {
        let mut sums = Sums::default();
        for row in self.books.iter().filter(|row| row.handler == handler) {
            ensure!(row.unaccounted() == 0 && row.clean, "{row:?}");
            let books = row.progress.books;
            sums.done += books.done;
            sums.skipped += books.skipped;
            sums.filtered += books.filtered;
            sums.duplicate += books.duplicate;
            sums.parked += books.parked;
            sums.dead += books.dead;
        }
        Ok(sums)
    }
}

fn ids(messages: &[Stored], subject: &str) -> Vec<String> {
    let of_subject = messages.iter().filter(|message| message.subject == subject);
    of_subject.map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

async fn launch(rig: &Rig, nats: &NatsServer) -> Result<Service> {
    let data = rig.data().display().to_string();
    rig.start("roomwire", &["up", "--data", &data, "--nats", &nats.url(), "--listen", "127.0.0.1:0"], &[]).await
}

fn config(window: &str, handlers: &[Value]) -> Value {
    json!({
        "streams": { "shards": 2, "max_bytes": "64MiB", "duplicate_window": window },
        "handlers": handlers,
    })
}
