//! `roomwire nats apply`: by somebody who may, so that receivers and runners need not be allowed to.

use async_nats::jetstream;
use event::topology;
use runner::pushed::Pushed;
use runner::registry::Registry;
use serde_json::json;
use service::nats::{apply_streams, check_server};

use crate::args::Globals;
use crate::output::{self, Format};
use crate::target;

pub(super) async fn run(globals: &Globals) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    check_server(&connection.client, config.receiver.max_body).await?;
    let (js, topology) = (jetstream::new(connection.client.clone()), config.topology());
    let specs = topology::streams(&topology, config.receiver.quarantine.as_ref().map(|it| it.max_bytes));
    apply_streams(&js, &specs).await?;
    let registry = Registry::new(connection.client.clone(), topology.clone());
    registry.versions().await?;
    registry.deploys().await?;
    registry.runners().await?;
    Pushed::open(&js, &topology).await?;
    let names = specs.into_iter().map(|spec| spec.name);
    for stream in names.chain(topology::buckets(&topology).map(|bucket| bucket.stream())) {
        match globals.output {
            Format::Json => output::json(&json!({ "stream": stream }))?,
            Format::Text => output::line(&stream)?,
        }
    }
    Ok(())
}
