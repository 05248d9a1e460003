//! `roomwire status`: which version of its plugin serves each handler on each runner, and what is wrong.

use serde_json::json;

use crate::args::Globals;
use crate::output::{self, Format, Table};
use crate::registry::{self, short};

pub(crate) async fn run(globals: &Globals) -> anyhow::Result<()> {
    let (_, registry) = registry::open(globals).await?;
    let reports = registry.runners().await?.all().await?;
    if globals.output == Format::Json {
        for report in &reports {
            for (handler, it) in &report.handlers {
                output::json(&json!({
                    "runner": report.runner, "version": report.version, "handler": handler, "plugin": it.plugin,
                    "deployable": it.deployable, "state": it.state, "serving": it.serving, "wanted": it.wanted,
                    "revision": it.revision, "error": it.error, "since_ms": it.at_ms,
                }))?;
            }
        }
        return Ok(());
    }
    if reports.is_empty() {
        return Ok(output::line("no runner reports; start one, or wait a few seconds after NATS was restarted")?);
    }
    let mut table = Table::new(["handler", "plugin", "state", "serves", "wanted", "since", "runner"]);
    for report in &reports {
        for (handler, it) in &report.handlers {
            table.row([
                handler.clone(),
                it.plugin.to_string(),
                it.state.word().to_owned(),
                it.serving.as_deref().map(short).unwrap_or_default().to_owned(),
                it.wanted.as_deref().map(short).unwrap_or_default().to_owned(),
                output::time(it.at_ms),
                report.runner.clone(),
            ]);
        }
    }
    table.write()?;
    for report in &reports {
        for (handler, it) in &report.handlers {
            if let Some(error) = &it.error {
                output::line(&format!("{handler} on {}: {}", report.runner, output::plain(error)))?;
            }
        }
    }
    Ok(())
}
