//! Roomwire as it is measured: its configuration, and its processes, which are waited for.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bench_receiver::signed::{KEY, SECRET};
use serde_json::{Value, json};
use testkit::{NatsServer, NatsSettings, Process};

use crate::contestant::Programs;
use crate::state::{HANDLER, State};

/// How long a process may take until it works: the runner compiles each handler's plugin.
pub(crate) const SOON: Duration = Duration::from_mins(3);

/// Shards of the streams, as Roomwire has them by default.
pub(crate) const SHARDS: u16 = 4;

/// Of each handler: so many as handlers that wait for nothing can make use of.
const CONCURRENCY: u32 = 256;

/// A nats-server. What streams may hold is reserved at once, so it must not depend on how full the disk is.
pub(crate) async fn nats(sync_interval: &str) -> Result<NatsServer> {
    let (sync_interval, jetstream) = (sync_interval.to_owned(), "max_file_store: 64GB".to_owned());
    NatsServer::start_with(NatsSettings { sync_interval, jetstream, ..NatsSettings::default() }).await
}

/// The handler that the runner is compared with: a plugin of Roomwire's in Rust, which logs each event at a level that is
/// not written.
pub(crate) fn event_log(programs: &Programs) -> Value {
    handler(HANDLER, &programs.plugins.join("event_log.wasm"), &json!({ "level": "debug" }))
}

/// A handler that takes every event there is.
pub(crate) fn handler(name: &str, plugin: &Path, config: &Value) -> Value {
    json!({ "name": name, "plugin": plugin, "on": ["*"], "start": "all", "config": config, "concurrency": CONCURRENCY })
}

/// Adds keys to a handler.
pub(crate) fn merge(handler: &mut Value, more: Value) {
    if let (Some(handler), Value::Object(more)) = (handler.as_object_mut(), more) {
        handler.extend(more);
    }
}

/// Starts a runner and waits until all its handlers have their shards.
pub(crate) async fn runner(
    programs: &Programs,
    nats: &NatsServer,
    state: &State,
    folder: &Path,
    handlers: &[Value],
) -> Result<Process> {
    let config = json!({
        "livekit": { "keys": { KEY: SECRET } }, "streams": { "shards": SHARDS },
        "state": { "url": state.url() }, "handlers": handlers,
    });
    let command = command(&programs.runner, &config, nats, folder, "runner")?;
    let process = Process::spawn("runner", command)?;
    process.wait_file(&folder.join("runner.ready"), SOON).await?;
    Ok(process)
}

/// Starts a receiver; returns it with host and port of where it takes webhooks.
pub(crate) async fn receiver(programs: &Programs, nats: &NatsServer, folder: &Path) -> Result<(Process, String)> {
    let config = json!({
        "livekit": { "keys": { KEY: SECRET } }, "streams": { "shards": SHARDS },
        "receiver": { "spool": { "path": "spool.db" } },
    });
    let mut command = command(&programs.receiver, &config, nats, folder, "receiver")?;
    command.arg("--listen=127.0.0.1:0");
    let process = Process::spawn("receiver", command)?;
    let ready: Value = serde_json::from_str(&process.wait_file(&folder.join("receiver.ready"), SOON).await?)?;
    let url = ready.get("webhook").and_then(Value::as_str).context("the ready file has no webhook")?;
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    Ok((process, address))
}

fn command(program: &Path, config: &Value, nats: &NatsServer, folder: &Path, name: &str) -> Result<Command> {
    let file = folder.join(format!("{name}.yaml"));
    // JSON is YAML.
    std::fs::write(&file, config.to_string()).context("cannot write the configuration")?;
    let mut command = Command::new(program);
    command.args(["--admin=127.0.0.1:0", "--nats", &nats.url()]).arg("--config").arg(&file);
    command.arg("--ready-file").arg(folder.join(format!("{name}.ready"))).arg("--data").arg(folder);
    Ok(command)
}
