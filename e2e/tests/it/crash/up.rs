//! `roomwire up` is killed: its nats-server goes with it, and the next start goes on.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::wait_until;

use crate::rig::{
    LONG, Load, Rig, Webhook, events_stored, free_address, handler, ids, ids_by_room, make_out, published, repeats,
    wait_published, webhooks,
};

#[tokio::test]
async fn after_a_kill_the_next_up_on_the_same_data_goes_on_where_it_was() -> Result<()> {
    let handlers = [handler("effects", "publisher", json!({ "subject": "out.effects" }), json!({}))?];
    let rig = Rig::new(json!({ "handlers": handlers }))?;
    let address = free_address()?;
    let first = rig.up(&address).await?;
    let out = make_out(first.nats()).await?;
    let rooms: Vec<Vec<Webhook>> = (0..20).map(|room| webhooks(&format!("room-{room}"), 10)).collect::<Result<_>>()?;
    let load = Load::start(&first.poster(), rooms.clone());

    load.let_out(100);
    wait_published(&out, 30).await?;
    load.wait_accepted(80).await?;
    first.process.kill9()?;
    // At once: its nats-server may still be about to end.
    let second = rig.up(&address).await?;
    load.let_out(100);
    assert_eq!(load.finish().await?.len(), 200);

    let out = published(second.nats(), 200).await?;
    let events = events_stored(second.nats()).await?;
    assert_eq!(ids_by_room(&events, &rooms), ids(&rooms), "events are missing or in another order");
    assert_eq!(ids_by_room(&out, &rooms), ids(&rooms), "effects are missing or in another order");
    assert_eq!(repeats(&events), [""; 0], "an event is stored twice");
    assert_eq!(repeats(&out), [""; 0], "an event is handled twice");

    second.process.kill9()?;
    wait_until(LONG, "the nats-server of the killed `up` to end", || async { users_of(&rig.data()).is_empty() })
        .await?;

    let third = rig.up(&address).await?;
    third.process.sigint()?;
    let status = third.process.wait_exit(LONG).await?;
    ensure!(status.success(), "`up` ended with {status}: {}", third.process.log());
    assert_eq!(users_of(&rig.data()), [""; 0], "a stopped `up` leaves a process behind");
    Ok(())
}

/// The command lines of the processes that name a file in this folder.
fn users_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&folder))
        .collect()
}
