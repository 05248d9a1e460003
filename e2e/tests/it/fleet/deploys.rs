//! Deploys to two runners under load: swaps, a rollback, a runner that is killed in the middle, a version that is refused. No
//! event is lost, no order is broken, and none is handled by two versions unless its first attempt failed.
//!
//! `ROOMWIRE_DEPLOY_RATE` and `ROOMWIRE_DEPLOY_EVENTS` say how many events a second, and how many in all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{PostgresServer, fixtures, wait_until};

use super::{Fleet, rooms};
use crate::rig::{LONG, Load, event_id, handler, published};

const ROOMS: usize = 40;

/// Two runners, and what is deployed to them.
struct Deploying {
    fleet: Fleet,
}

impl Deploying {
    async fn call(&self, arguments: &[&str]) -> Result<(i32, Vec<Value>, String)> {
        let nats = self.fleet.nats.url();
        let output = self.fleet.rig.roomwire(&[arguments, &["--nats", &nats, "--output", "json"]].concat()).await?;
        let lines = String::from_utf8(output.stdout)?;
        let lines = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok((output.status.code().unwrap_or(-1), lines, String::from_utf8(output.stderr)?))
    }

    /// Calls; it must end well, and with one object.
    async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let (code, mut lines, stderr) = self.call(arguments).await?;
        ensure!(code == 0 && lines.len() == 1, "{arguments:?}: {code}: {lines:?}: {stderr}");
        lines.pop().context("one object")
    }

    /// Pushes a guest as plugin `meter`: its digest.
    async fn push(&self, guest: &str) -> Result<String> {
        let file = fixtures::plugin(guest)?.display().to_string();
        let pushed = self.ask(&["plugin", "push", &file, "--name", "meter"]).await?;
        Ok(pushed["digest"].as_str().context("no digest")?.to_owned())
    }

    /// Deploys; so many runners must have taken it.
    async fn deploy(&self, digest: &str, runners: usize) -> Result<()> {
        let plugin = format!("meter@sha256:{digest}");
        let ended = self.ask(&["deploy", "meter", "--plugin", &plugin]).await?;
        let states: Vec<&Value> =
            ended["runners"].as_array().context("no runners")?.iter().map(|it| &it["state"]).collect();
        ensure!(ended["outcome"] == "serving" && states == vec!["serving"; runners], "{ended}");
        Ok(())
    }

    /// What the runners that are alive say of the handler.
    async fn standing(&self) -> Result<Vec<Value>> {
        Ok(self.call(&["status"]).await?.1)
    }

    async fn wait_standing(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Result<()> {
        wait_until(LONG, what, || async { self.standing().await.is_ok_and(|lines| holds(&lines)) }).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deploys_under_load_lose_nothing_break_no_order_and_give_no_event_to_two_versions() -> Result<()> {
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default);
    let (rate, events) = (number("ROOMWIRE_DEPLOY_RATE", 150), number("ROOMWIRE_DEPLOY_EVENTS", 1_800));
    // Of one room in ten the first attempts fail, so that some events do meet two versions.
    let mut config = json!({ "publish_to": "out.meter", "subject": "out.meter", "default": "sleep:2" });
    for room in (0..ROOMS).step_by(10) {
        config[format!("room:room-{room}")] = json!("retry-until:2");
    }
    let more = json!({ "plugin": "meter", "retry": { "initial": "200ms", "max": "200ms" } });
    let fleet = Fleet::start(&[handler("meter", "behave", config, more)?]).await?;
    let (mut first, second) = (fleet.runner().await?, fleet.runner().await?);
    let rooms = rooms(ROOMS, events / ROOMS)?;
    let site = Deploying { fleet };
    let (behave, publisher) = (site.push("behave").await?, site.push("publisher").await?);
    let bad = site.push("check_fails").await?;
    site.wait_standing("two runners that wait", |lines| lines.len() == 2).await?;
    site.deploy(&behave, 2).await?;

    let load = site.fleet.load(&rooms);
    let pace = pace(&load, rate, events);
    let deploys = async {
        load.wait_accepted(events / 10).await?;
        site.deploy(&publisher, 2).await?;
        load.wait_accepted(events / 4).await?;
        let back = site.ask(&["rollback", "meter"]).await?;
        ensure!(back["plugin"] == format!("meter@sha256:{behave}") && back["outcome"] == "serving", "{back}");

        // A runner dies after it was told of a deploy, and another start of it takes what is wanted then.
        load.wait_accepted(events / 2).await?;
        let plugin = format!("meter@sha256:{publisher}");
        site.ask(&["deploy", "meter", "--plugin", &plugin, "--no-wait"]).await?;
        first.process.kill9()?;
        first.process.wait_exit(LONG).await?;
        first = site.fleet.runner().await?;
        site.wait_standing("both to serve the new one, and the dead one to be forgotten", |lines| {
            let taken = |line: &Value| line["state"] == "serving" && line["serving"] == *publisher;
            lines.len() == 2 && lines.iter().all(taken)
        })
        .await?;

        // One that is refused changes nothing, also for a runner that starts when it is wanted.
        let plugin = format!("meter@sha256:{bad}");
        let (code, lines, stderr) = site.call(&["deploy", "meter", "--plugin", &plugin]).await?;
        ensure!(code == 1 && lines.iter().all(|line| line["outcome"] == "refused"), "{lines:?}: {stderr}");
        ensure!(stderr.matches("this plugin never passes its check").count() == 2, "{stderr}");
        first.process.kill9()?;
        first.process.wait_exit(LONG).await?;
        first = site.fleet.runner().await?;
        anyhow::Ok(())
    };
    let (paced, deployed) = tokio::join!(pace, deploys);
    paced?;
    deployed?;
    load.finish().await?;
    site.fleet.all_is_well(&rooms).await?;
    site.wait_standing("the version before the bad one to serve", |lines| {
        lines.iter().any(|line| line["state"] == "refused" && line["serving"] == *publisher)
    })
    .await?;
    judge(&site.fleet, events, &[("behave", &behave), ("publisher", &publisher)]).await?;
    drop((first, second));
    Ok(())
}

/// Lets events out at a steady rate.
async fn pace(load: &Load, rate: usize, events: usize) -> Result<()> {
    const BEATS: usize = 50;
    let mut beat = tokio::time::interval(Duration::from_secs(1) / 50);
    let mut out = 0;
    for turn in 1.. {
        beat.tick().await;
        let due = (turn * rate / BEATS).min(events);
        load.let_out(due - out);
        out = due;
        if out == events {
            break;
        }
    }
    Ok(())
}

/// Holds the records against each other: what handled an event is what its record says, and where two versions did, the
/// first attempt failed.
async fn judge(fleet: &Fleet, events: usize, versions: &[(&str, &str)]) -> Result<()> {
    let postgres = PostgresServer::shared().await?;
    let database = fleet.database.split('?').next().unwrap_or_default();
    let mut handled: BTreeMap<String, String> = BTreeMap::new();
    let ledger = "select l.event_id, p.digest from ledger as l join plugins as p on p.id = l.plugin_id";
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    postgres
        .each_row(database, ledger, |row| {
            handled.insert(text(&row, "event_id"), text(&row, "digest"));
        })
        .await?;
    ensure!(handled.len() == events, "{} of {events} in the ledger", handled.len());
    let mut failed: BTreeMap<String, (BTreeSet<u64>, BTreeSet<String>)> = BTreeMap::new();
    let attempts =
        "select a.event_id, a.attempt, p.digest from attempts as a left join plugins as p on p.id = a.plugin_id";
    postgres
        .each_row(database, attempts, |row| {
            let (numbers, digests) = failed.entry(text(&row, "event_id")).or_default();
            numbers.insert(row["attempt"].as_u64().unwrap_or_default());
            digests.insert(text(&row, "digest"));
        })
        .await?;
    ensure!(!failed.is_empty(), "no attempt failed, so nothing was tested");
    for message in published(&fleet.nats.url(), events).await? {
        let id = event_id(&message);
        let plugin = message.header("plugin");
        let digest =
            versions.iter().find(|(name, _)| *name == plugin).map(|(_, digest)| *digest).context("no version")?;
        ensure!(
            handled.get(&id).is_some_and(|it| it == digest),
            "{id}: {plugin} handled it, the ledger says {handled:?}"
        );
    }
    let mut twice = 0;
    for (id, (numbers, mut digests)) in failed {
        digests.extend(handled.get(&id).cloned());
        if digests.len() > 1 {
            twice += 1;
            ensure!(numbers.first() == Some(&1), "{id} met {digests:?}, and its failed attempts are {numbers:?}");
        }
    }
    let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
    for digest in handled.values() {
        *by_version.entry(digest).or_default() += 1;
    }
    ensure!(by_version.len() == versions.len(), "not every version handled events: {by_version:?}");
    println!("{events} events, by version {by_version:?}; {twice} met two versions after a failed attempt");
    Ok(())
}
