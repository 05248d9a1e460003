//! The records, held against each other: who handled what, and which attempts failed before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::{PostgresServer, stored};

use super::super::Fleet;
use crate::rig::{OUT, event_id};

/// A handler and an event.
type Pair = (String, String);

/// What handled an event is what its record says, and where two versions met it, its first attempt failed. `handlers` have
/// handled `events` each; the first of them both `versions`, which are the names that they publish with and their digests. In
/// words, what was found.
pub(super) async fn judge(
    fleet: &Fleet,
    events: usize,
    handlers: &[&str],
    versions: &[(&str, &str)],
) -> Result<String> {
    let (handled, failed) = (handled(fleet).await?, failed(fleet).await?);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (handler, _) in handled.keys() {
        *names.entry(handler).or_default() += 1;
    }
    ensure!(names == handlers.iter().map(|handler| (*handler, events)).collect(), "the ledger has {names:?}");
    ensure!(!failed.is_empty(), "no attempt failed, so nothing was tested");
    let first = handlers.first().context("no handler")?;
    for message in stored(&fleet.nats.url(), OUT).await?.iter().filter(|it| it.subject == format!("out.{first}")) {
        let (id, plugin) = (event_id(message), message.header("plugin"));
        let digest = versions.iter().find(|(name, _)| *name == plugin).map(|(_, digest)| *digest);
        let recorded = handled.get(&((*first).to_owned(), id.clone())).map(String::as_str);
        ensure!(digest.is_some() && recorded == digest, "{id}: {plugin} handled it, and the ledger says {recorded:?}");
    }
    let mut twice = 0;
    for (pair, (numbers, mut digests)) in failed {
        digests.extend(handled.get(&pair).cloned());
        if digests.len() > 1 {
            twice += 1;
            ensure!(numbers.first() == Some(&1), "{pair:?} met {digests:?}, and its failed attempts are {numbers:?}");
        }
    }
    let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
    for digest in handled.iter().filter(|((handler, _), _)| handler == first).map(|(_, digest)| digest) {
        let name = versions.iter().find(|(_, of)| of == digest).context("a version that was never deployed")?.0;
        *by_version.entry(name).or_default() += 1;
    }
    ensure!(by_version.len() == versions.len(), "not every version handled events: {by_version:?}");
    Ok(format!("{first} by version {by_version:?}; {twice} met two versions, after a failed attempt"))
}

/// The digest of the plugin that handled each event.
async fn handled(fleet: &Fleet) -> Result<BTreeMap<Pair, String>> {
    const LEDGER: &str = "select h.name, l.event_id, p.digest from ledger as l join handlers as h on h.id = l.handler_id \
                          left join plugins as p on p.id = l.plugin_id";
    let mut handled = BTreeMap::new();
    each(fleet, LEDGER, |row| {
        handled.insert(pair(&row), text(&row, "digest"));
    })
    .await?;
    Ok(handled)
}

/// Of each event with failed attempts their numbers, and the digests of the plugins that failed.
async fn failed(fleet: &Fleet) -> Result<BTreeMap<Pair, (BTreeSet<u64>, BTreeSet<String>)>> {
    const ATTEMPTS: &str = "select h.name, a.event_id, a.attempt, p.digest from attempts as a join handlers as h on h.id = \
                            a.handler_id left join plugins as p on p.id = a.plugin_id";
    let mut failed: BTreeMap<Pair, (BTreeSet<u64>, BTreeSet<String>)> = BTreeMap::new();
    each(fleet, ATTEMPTS, |row| {
        let (numbers, digests) = failed.entry(pair(&row)).or_default();
        numbers.insert(row["attempt"].as_u64().unwrap_or_default());
        digests.insert(text(&row, "digest"));
    })
    .await?;
    Ok(failed)
}

async fn each(fleet: &Fleet, query: &str, visit: impl FnMut(Value) + Send) -> Result<()> {
    let database = fleet.database.split('?').next().unwrap_or_default();
    PostgresServer::shared().await?.each_row(database, query, visit).await
}

fn pair(row: &Value) -> Pair {
    (text(row, "name"), text(row, "event_id"))
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}
