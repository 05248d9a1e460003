//! One configuration for several runners, from NATS.

use std::fs;
use std::process::Output;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{stored, wait_until};

use super::{Fleet, busy, rooms};
use crate::rig::{LONG, OUT, Service, Webhook, ids, ids_by_room, repeats};

/// `config push` of these handlers, and of what else the file may say.
pub(super) async fn push(fleet: &Fleet, handlers: &[Value], flags: &[&str]) -> Result<Output> {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = fleet.rig.path(&format!("pushed-{number}.yaml"));
    fs::write(&file, json!({ "handlers": handlers }).to_string())?;
    let (file, nats) = (file.display().to_string(), fleet.nats.url());
    let arguments = ["config", "push", &file, "--nats", &nats, "--output", "json"];
    fleet.rig.roomwire(&[&arguments, flags].concat()).await
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Of each runner whether it took what was pushed.
pub(super) fn said(output: &Output) -> Vec<bool> {
    lines(output).iter().filter_map(|line| line["applied"].as_bool()).collect()
}

fn number(output: &Output, key: &str) -> u64 {
    lines(output).iter().find_map(|line| line[key].as_u64()).unwrap_or_default()
}

pub(super) async fn runner(fleet: &Fleet) -> Result<Service> {
    let (nats, data) = (fleet.nats.url(), fleet.rig.data().display().to_string());
    fleet.rig.start("roomwire-runner", &["--nats", &nats, "--data", &data, "--config-from-nats"], &[]).await
}

async fn wait_revision(runner: &Service, revision: u64) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let wanted = revision as f64;
    wait_until(LONG, &format!("revision {revision} to hold"), || async {
        let found = runner.metric("roomwire_runner_config_revision").await.unwrap_or_default();
        found.iter().any(|(_, value)| (*value - wanted).abs() < f64::EPSILON)
    })
    .await
}

pub(super) async fn wait_handled(fleet: &Fleet, name: &str, rooms: &[Vec<Webhook>]) -> Result<()> {
    let subject = format!("out.{name}");
    let all: usize = rooms.iter().map(Vec::len).sum();
    let of = async || -> Result<Vec<testkit::Stored>> {
        Ok(stored(&fleet.nats.url(), OUT).await?.into_iter().filter(|it| it.subject == subject).collect())
    };
    wait_until(LONG, &format!("{all} messages on {subject}"), || async { of().await.is_ok_and(|it| it.len() >= all) })
        .await?;
    let out = of().await?;
    ensure!(repeats(&out).is_empty(), "published twice: {:?}", repeats(&out));
    ensure!(ids_by_room(&out, rooms) == ids(rooms), "{name}: a room is out of order");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_configuration_is_in_force_with_every_runner_or_with_none() -> Result<()> {
    let fleet = Fleet::start(&[]).await?;
    let one = || busy("one");
    let alone = push(&fleet, &[one()?], &[]).await?;
    ensure!(alone.status.success(), "{alone:?}");
    let runners = [runner(&fleet).await?, runner(&fleet).await?];
    let rooms = rooms(10, 12)?;
    let load = fleet.load(&rooms);
    load.let_out(40);
    load.wait_accepted(20).await?;

    // A handler more, under load.
    let added = push(&fleet, &[one()?, busy("two")?], &[]).await?;
    ensure!(added.status.success(), "{added:?}");
    assert_eq!(said(&added), [true, true], "{added:?}");
    load.let_out(40);

    // One that no runner can take: the old one is in force again, everywhere.
    let mut absent = busy("three")?;
    absent["plugin"] = json!("./absent.wasm");
    let refused = push(&fleet, &[one()?, busy("two")?, absent], &[]).await?;
    assert_eq!((refused.status.code(), said(&refused)), (Some(1), vec![false, false]), "{refused:?}");
    let words = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        words.contains("roomwire.yaml:1:") && words.contains("the plugin of handler `three` is refused"),
        "{words}"
    );
    let in_force = number(&refused, "in_force");
    assert_eq!(in_force, number(&refused, "pushed") + 1, "{words}");
    for runner in &runners {
        wait_revision(runner, in_force).await?;
    }

    // Two at once, who have seen the same: one is told so.
    let mut slower = busy("two")?;
    slower["concurrency"] = json!(3);
    let after = in_force.to_string();
    let flags = ["--after", after.as_str()];
    let (first, second) = ([one()?, slower.clone()], [one()?]);
    let (left, right) = tokio::join!(push(&fleet, &first, &flags), push(&fleet, &second, &flags));
    let (left, right) = (left?, right?);
    assert_ne!(left.status.success(), right.status.success(), "{left:?} {right:?}");
    let (won, lost) = if left.status.success() { (left, right) } else { (right, left) };
    assert!(
        String::from_utf8_lossy(&lost.stderr).contains("somebody else has pushed a configuration meanwhile"),
        "{lost:?}"
    );

    // A runner dies, and the next one begins with what is the newest.
    let [dies, stays] = runners;
    dies.process.kill9()?;
    dies.process.wait_exit(LONG).await?;
    load.let_out(40);
    let next = runner(&fleet).await?;
    wait_revision(&next, number(&won, "pushed")).await?;
    let last = push(&fleet, &[one()?, slower], &[]).await?;
    ensure!(last.status.success(), "{last:?}");
    assert_eq!(said(&last), [true, true], "the dead one is not waited for: {last:?}");
    load.finish().await?;
    wait_handled(&fleet, "one", &rooms).await?;
    wait_handled(&fleet, "two", &rooms).await?;
    for row in fleet.books().await? {
        assert_eq!(row.unaccounted(), 0, "{row:?}");
    }
    drop((stays, next));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_starts_takes_the_newest_that_is_good_and_secrets_never_enter_nats() -> Result<()> {
    let fleet = Fleet::start(&[]).await?;
    let good = push(&fleet, &[busy("one")?], &[]).await?;
    let mut absent = busy("two")?;
    absent["plugin"] = json!("./absent.wasm");
    // Nobody runs who could refuse it.
    let bad = push(&fleet, &[absent], &[]).await?;
    ensure!(good.status.success() && bad.status.success(), "{good:?} {bad:?}");
    let runner = runner(&fleet).await?;
    wait_revision(&runner, number(&good, "pushed")).await?;
    ensure!(runner.process.log().contains("configuration refused"), "{}", runner.process.log());

    let file = fleet.rig.path("secret.yaml");
    fs::write(&file, "secrets: { TOKEN: hunter22 }\nhandlers: []\n")?;
    let (file, nats) = (file.display().to_string(), fleet.nats.url());
    let literal = fleet.rig.roomwire(&["config", "push", &file, "--nats", &nats]).await?;
    assert_eq!(literal.status.code(), Some(64), "{literal:?}");
    let words = String::from_utf8_lossy(&literal.stderr).into_owned();
    assert!(
        words.contains("secret.yaml:1:") && words.contains("the secret `TOKEN` stands in the file itself"),
        "{words}"
    );
    assert!(!words.contains("hunter22"), "{words}");
    let pulled = fleet.rig.roomwire_json(&["config", "pull", "--nats", &nats]).await?;
    assert_eq!(pulled[0]["revision"].as_u64(), Some(number(&bad, "pushed")), "{pulled:?}");
    Ok(())
}
