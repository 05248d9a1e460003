//! `roomwire up` with handlers in several languages, and what it left behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::http::Http;
use testkit::{Stored, stored, wait_for, wait_until, webhook};

use crate::rig::{LONG, OUT, Rig, Service, make_out, wait_published};

/// The runner compiles plugins of many megabytes first, and those of other languages are compiled beside them.
const COMPILED: Duration = LONG.saturating_mul(6);

/// It runs.
pub(super) struct System {
    rig: Rig,
    up: Service,
    http: Http,
    client: async_nats::Client,
}

impl System {
    /// Starts it with this configuration and waits until its handlers are ready. `out.>` is a stream then.
    pub(super) async fn start(config: Value) -> Result<Self> {
        let rig = Rig::new(config)?;
        let data = rig.data().display().to_string();
        let flags = ["up", "--data", &data, "--listen", "127.0.0.1:0", "--log-format", "json"];
        let environment = [("ROOMWIRE_LOG", "info,runner=debug,plugin=trace")];
        let up = rig.start_within(COMPILED, "roomwire", &flags, &environment).await?;
        make_out(up.nats()).await?;
        let client = testkit::connect(up.nats()).await?;
        Ok(Self { rig, up, http: Http::new(), client })
    }

    /// Posts an event as LiveKit does. A busy machine may need a repeat.
    pub(super) async fn post(&self, id: &str, body: &str) -> Result<()> {
        let status = wait_for(LONG, "an answer that is no 503", || async {
            let answer = webhook::deliver(&self.http, self.up.webhook(), body).await.ok()?;
            (answer.status != 503).then_some(answer.status)
        });
        let status = status.await.with_context(|| self.up.process.log())?;
        ensure!(status == 200, "{id} was answered {status}");
        Ok(())
    }

    /// Waits until the event has come to this end for the handler.
    pub(super) async fn wait_end(&self, handler: &str, id: &str, end: &str) -> Result<()> {
        let request = json!({"command": "events_status", "ids": [id]}).to_string();
        wait_until(LONG, &format!("{id} to be {end} for {handler}"), || async {
            let Ok(reply) = self.client.request("rw.ctl.runner", request.clone().into()).await else { return false };
            let answer: Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
            answer["events"][id][handler] == end
        })
        .await
        .with_context(|| self.up.process.log())
    }

    /// The handler's dead letter of an event. A busy runner may answer a request too late.
    pub(super) async fn dead(&self, handler: &str, id: &str) -> Result<Value> {
        let arguments = ["dlq", "show", id, "--handler", handler, "--nats", self.up.nats()];
        let what = format!("the dead letter {id} of {handler}");
        let letter =
            wait_for(LONG, &what, || async { self.rig.roomwire_json(&arguments).await.ok()?.into_iter().next() });
        letter.await.with_context(|| self.up.process.log())
    }

    /// Stops it when so many messages have left.
    pub(super) async fn end(self, published: usize) -> Result<Left> {
        let stream = async_nats::jetstream::new(self.client.clone()).get_stream(OUT).await?;
        wait_published(&stream, published).await?;
        let out = stored(self.up.nats(), OUT).await?;
        self.up.process.sigint()?;
        let status = self.up.process.wait_exit(LONG).await?;
        ensure!(status.success(), "{status}: {}", self.up.process.log());
        let log = self.up.process.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Left { log, out })
    }
}

/// What it left behind.
pub(super) struct Left {
    log: Vec<Value>,
    pub(super) out: Vec<Stored>,
}

impl Left {
    /// What the log has of a handler's work on an event.
    pub(super) fn logged<'a>(&'a self, handler: &'a str, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.log.iter().filter(move |line| line["handler"] == handler && line["id"] == id)
    }

    /// The lines that the guest itself wrote, without what the host noted beside them.
    pub(super) fn lines<'a>(&'a self, handler: &'a str, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.logged(handler, id).filter(|line| line["target"] == "plugin" && line["context"] != "host")
    }

    /// Each attempt: its number, its outcome, and the guest's reason or error; of a crash, what that was.
    pub(super) fn attempts(&self, handler: &str, id: &str) -> Vec<(Value, Value, Value)> {
        let attempts = self.logged(handler, id).filter(|line| !line["attempt"].is_null());
        attempts
            .map(|line| {
                let error = line.get("why").unwrap_or(&line["error"]);
                (line["attempt"].clone(), line["outcome"].clone(), error.clone())
            })
            .collect()
    }

    /// The errors with which a handler did not come to serve.
    pub(super) fn refusals(&self, handler: &str) -> Vec<&str> {
        let errors = self.log.iter().filter(|line| line["handler"] == handler && line["level"] == "ERROR");
        errors.filter_map(|line| line["error"].as_str()).collect()
    }

    /// All that is logged of a handler's work on an event, for the message of a test that failed.
    pub(super) fn told(&self, handler: &str, id: &str) -> String {
        self.logged(handler, id).map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}
