//! Deploys and configurations for two runners under load: swaps, a rollback, a runner that is killed in the middle, a version
//! that is refused; a handler that changes, one that is renamed, one that is removed and comes back. No event is lost, no order is
//! broken, and none is handled by two versions unless its first attempt failed.
//!
//! `ROOMWIRE_DEPLOY_RATE` and `ROOMWIRE_DEPLOY_EVENTS` say how many events a second, and how many in all (`make deploys`).

mod judge;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{fixtures, wait_until};

use super::config::{self, said};
use super::{Fleet, rooms};
use crate::rig::{LONG, Load, handler};

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
    async fn deploy(&self, handler: &str, digest: &str, runners: usize) -> Result<()> {
        let plugin = format!("meter@sha256:{digest}");
        let ended = self.ask(&["deploy", handler, "--plugin", &plugin]).await?;
        let states: Vec<&Value> =
            ended["runners"].as_array().context("no runners")?.iter().map(|it| &it["state"]).collect();
        ensure!(ended["outcome"] == "serving" && states == vec!["serving"; runners], "{ended}");
        Ok(())
    }

    /// Pushes a configuration, which both runners must take.
    async fn configure(&self, handlers: &[Value]) -> Result<()> {
        let pushed = config::push(&self.fleet, handlers, &[]).await?;
        ensure!(pushed.status.success() && said(&pushed) == [true, true], "{pushed:?}");
        Ok(())
    }

    /// What the runners that are alive say of the handler that is deployed to.
    async fn standing(&self) -> Result<Vec<Value>> {
        let lines = self.call(&["status"]).await?.1;
        Ok(lines.into_iter().filter(|line| line["handler"] == "meter").collect())
    }

    async fn wait_standing(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Result<()> {
        wait_until(LONG, what, || async { self.standing().await.is_ok_and(|lines| holds(&lines)) }).await
    }
}

/// The handler that is deployed to. Of one room in ten the first attempts fail, so that some events do meet two versions.
fn meter(concurrency: usize) -> Result<Value> {
    let mut config = json!({ "publish_to": "out.meter", "subject": "out.meter", "default": "sleep:2" });
    for room in (0..ROOMS).step_by(10) {
        config[format!("room:room-{room}")] = json!("retry-until:2");
    }
    let retry = json!({ "initial": "200ms", "max": "200ms" });
    handler("meter", "behave", config, json!({ "plugin": "meter", "retry": retry, "concurrency": concurrency }))
}

/// A handler with the same plugin, whose name changes.
fn audit(name: &str, more: Value) -> Result<Value> {
    let mut section = handler(name, "behave", json!({ "publish_to": "out.audit" }), json!({ "plugin": "meter" }))?;
    if let (Value::Object(section), Value::Object(more)) = (&mut section, more) {
        section.extend(more);
    }
    Ok(section)
}

/// A handler with a file, which goes and comes back.
fn guest() -> Result<Value> {
    handler("guest", "behave", json!({ "publish_to": "out.guest" }), json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn deploys_and_configurations_under_load_lose_nothing_break_no_order_and_give_no_event_to_two_versions()
-> Result<()> {
    let number = |name: &str, default: usize| match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is {text:?}, not a number")),
        Err(_) => Ok(default),
    };
    let (rate, events) = (number("ROOMWIRE_DEPLOY_RATE", 150)?, number("ROOMWIRE_DEPLOY_EVENTS", 1_800)?);
    let fleet = Fleet::start(&[]).await?;
    let rooms = rooms(ROOMS, events / ROOMS)?;
    let events = ROOMS * (events / ROOMS);
    let site = Deploying { fleet };
    let (behave, publisher) = (site.push("behave").await?, site.push("publisher").await?);
    let bad = site.push("check_fails").await?;
    let alone = config::push(&site.fleet, &[meter(32)?, audit("audit", json!({}))?, guest()?], &[]).await?;
    ensure!(alone.status.success(), "{alone:?}");
    let (mut first, second) = (config::runner(&site.fleet).await?, config::runner(&site.fleet).await?);
    site.wait_standing("two runners that wait", |lines| lines.len() == 2).await?;
    site.deploy("meter", &behave, 2).await?;
    site.deploy("audit", &behave, 2).await?;

    let load = site.fleet.load(&rooms);
    let pace = pace(&load, rate, events);
    let changes = async {
        let mut told = Vec::new();
        let mut tell = |what: &str| told.push(format!("{what} {}", load.accepted().len()));
        load.wait_accepted(events / 10).await?;
        site.deploy("meter", &publisher, 2).await?;
        tell("swapped");
        site.configure(&[meter(16)?, audit("audit", json!({}))?, guest()?]).await?;
        tell("changed");
        load.wait_accepted(events / 5).await?;
        let back = site.ask(&["rollback", "meter"]).await?;
        ensure!(back["plugin"] == format!("meter@sha256:{behave}") && back["outcome"] == "serving", "{back}");
        tell("taken back");
        let renamed = || audit("ledger", json!({ "renamed_from": "audit" }));
        site.configure(&[meter(16)?, renamed()?, guest()?]).await?;
        tell("renamed");
        site.configure(&[meter(16)?, renamed()?]).await?;
        tell("removed");
        load.wait_accepted(events / 3).await?;
        site.configure(&[meter(32)?, renamed()?, guest()?]).await?;
        tell("added again");

        // A runner dies after it was told of a deploy, and another start of it takes what is wanted then.
        load.wait_accepted(events / 2).await?;
        let plugin = format!("meter@sha256:{publisher}");
        site.ask(&["deploy", "meter", "--plugin", &plugin, "--no-wait"]).await?;
        first.process.kill9()?;
        first.process.wait_exit(LONG).await?;
        first = config::runner(&site.fleet).await?;
        site.wait_standing("both to serve the new one, and the dead one to be forgotten", |lines| {
            let taken = |line: &Value| line["state"] == "serving" && line["serving"] == *publisher;
            lines.len() == 2 && lines.iter().all(taken)
        })
        .await?;
        tell("killed, started and swapped");

        // One that is refused changes nothing, also for a runner that starts when it is wanted.
        let plugin = format!("meter@sha256:{bad}");
        let (code, lines, stderr) = site.call(&["deploy", "meter", "--plugin", &plugin]).await?;
        ensure!(code == 1 && lines.iter().all(|line| line["outcome"] == "refused"), "{lines:?}: {stderr}");
        ensure!(stderr.matches("this plugin never passes its check").count() == 2, "{stderr}");
        first.process.kill9()?;
        first.process.wait_exit(LONG).await?;
        first = config::runner(&site.fleet).await?;
        tell("refused, killed and started");
        anyhow::Ok(told.join(", "))
    };
    let (paced, changed) = tokio::join!(pace, changes);
    let (seconds, told) = (paced?, changed?);
    load.finish().await?;
    for name in ["meter", "audit", "guest"] {
        config::wait_handled(&site.fleet, name, &rooms).await?;
    }
    site.fleet.wait_books(events as u64, &["meter", "ledger", "guest"]).await?;
    site.wait_standing("the version before the bad one to serve", |lines| {
        lines.iter().any(|line| line["state"] == "refused" && line["serving"] == *publisher)
    })
    .await?;
    let versions = [("behave", behave.as_str()), ("publisher", publisher.as_str())];
    let verdict = judge::judge(&site.fleet, events, &["meter", "ledger", "guest"], &versions).await?;
    println!("{events} events in {seconds:.1} s; accepted when in force: {told}; {verdict}");
    drop((first, second));
    Ok(())
}

/// Lets events out at a steady rate; how many seconds that took.
async fn pace(load: &Load, rate: usize, events: usize) -> Result<f64> {
    const BEATS: usize = 50;
    let began = Instant::now();
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
    Ok(began.elapsed().as_secs_f64())
}
