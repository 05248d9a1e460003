//! A service that runs: its process, its addresses, its metrics.

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::Process;
use testkit::http::Http;

use super::Poster;

/// A service that was ready when this was made.
pub(crate) struct Service {
    /// The process, killed when this is dropped.
    pub(crate) process: Process,
    ready: Value,
}

impl Service {
    pub(super) fn new(process: Process, ready: &str) -> Result<Self> {
        let ready = serde_json::from_str(ready).context("the ready file is not JSON")?;
        Ok(Self { process, ready })
    }

    /// Where webhooks are posted.
    pub(crate) fn webhook(&self) -> &str {
        self.field("webhook")
    }

    /// The base of `/livez`, `/readyz` and `/metrics`.
    pub(crate) fn admin(&self) -> &str {
        self.field("admin")
    }

    /// How to connect to NATS.
    pub(crate) fn nats(&self) -> &str {
        self.field("nats")
    }

    /// Posts to this service.
    pub(crate) fn poster(&self) -> Poster {
        Poster::new(self.webhook())
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> Result<String> {
        Ok(Http::new().get(&format!("{}/metrics", self.admin())).await?.text())
    }

    /// The values of a metric with all its labels: `("{handler=\"h\",shard=\"0\"}", 3.0)`.
    pub(crate) async fn metric(&self, name: &str) -> Result<Vec<(String, f64)>> {
        let text = self.metrics().await?;
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        lines
            .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
            .map(|(labels, value)| Ok((labels.to_owned(), value.parse().with_context(|| value.to_owned())?)))
            .collect()
    }

    fn field(&self, name: &str) -> &str {
        self.ready.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}
