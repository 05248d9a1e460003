//! Which events a handler gets: `on`, `when`, `start`.

use anyhow::Result;
use serde_json::{Value, json};

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

fn on(name: &str, patterns: &[&str], when: Option<&str>) -> Result<Value> {
    let mut more = json!({ "on": patterns });
    if let Some(when) = when {
        more["when"] = json!(when);
    }
    handler(name, "behave", json!({ "publish_to": format!("out.{name}") }), more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_gets_what_its_patterns_and_its_condition_take_and_nothing_else() -> Result<()> {
    let blue = "event.room.name == 'blue' && event.participant.identity.startsWith('a')";
    let site = Site::start(
        WINDOW,
        &[
            on("every", &["*"], None)?,
            on("inside", &["participant_*"], None)?,
            on("ends", &["*_finished", "participant_left"], None)?,
            on("new-type", &["room_painted"], None)?,
            on("odd-type", &["room.painted.green"], None)?,
            on("blue", &["*"], Some(blue))?,
            on("missing", &["*"], Some("event.egressInfo.egressId != ''"))?,
        ],
    )
    .await?;
    let kinds = [
        "room_started",
        "participant_joined",
        "participant_left",
        "room_painted",
        "room.painted.green",
        "participant_painted",
        "room_finished",
    ];
    for room in ["blue", "green"] {
        for kind in kinds {
            site.post(kind, room, &format!("EV_{room}-{kind}")).await?;
        }
    }
    // Types that cannot be part of a subject are stored under a common one.
    assert_eq!(
        site.count("RW_EVENTS_0", "rw.ev.*.other").await? + site.count("RW_EVENTS_1", "rw.ev.*.other").await?,
        2
    );
    let expected =
        |room: &str, kinds: &[&str]| kinds.iter().map(|kind| format!("EV_{room}-{kind}")).collect::<Vec<_>>();
    let tables: [(&str, &[&str]); 5] = [
        ("every", &kinds),
        ("inside", &["participant_joined", "participant_left", "participant_painted"]),
        ("ends", &["participant_left", "room_finished"]),
        ("new-type", &["room_painted"]),
        ("odd-type", &["room.painted.green"]),
    ];
    for (name, kinds) in tables {
        site.wait_out(&format!("out.{name}"), kinds.len() * 2).await?;
    }
    site.wait_out("out.blue", kinds.len()).await?;
    site.wait_state("missing", "EV_blue-room_finished", "filtered").await?;
    site.wait_state("missing", "EV_green-room_finished", "filtered").await?;
    let ended = site.end().await?;
    for (name, kinds) in tables {
        for room in ["blue", "green"] {
            let all = ended.out(&format!("out.{name}"));
            let of_room: Vec<String> = all.into_iter().filter(|id| id.starts_with(&format!("EV_{room}"))).collect();
            assert_eq!(of_room, expected(room, kinds), "{name}");
        }
        let books = ended.books(name)?;
        assert_eq!(books.done, kinds.len() as u64 * 2, "{name}: {books:?}");
    }
    assert_eq!(ended.out("out.blue"), expected("blue", &kinds));
    assert_eq!(ended.books("blue")?, Sums { done: 7, filtered: 7, ..Sums::default() });
    assert_eq!(ended.books("missing")?, Sums { filtered: 14, ..Sums::default() });
    assert_eq!(ended.out("out.missing"), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_handler_begins_with_everything_that_is_stored_or_with_what_comes() -> Result<()> {
    let starting = |name: &str, start: &str| {
        handler(name, "behave", json!({ "publish_to": format!("out.{name}") }), json!({ "start": start }))
    };
    let mut site = Site::start(WINDOW, &[starting("first", "new")?]).await?;
    site.post_all("room_started", "blue", &["EV_1", "EV_2"]).await?;
    site.wait_out("out.first", 2).await?;
    let handlers = [
        starting("first", "all")?,
        starting("all", "all")?,
        starting("later", "new")?,
        starting("past", "2020-01-31T12:00:00Z")?,
        starting("future", "2100-01-31T12:00:00Z")?,
    ];
    site = site.restart(&handlers).await?;
    site.post_all("room_started", "blue", &["EV_3"]).await?;
    site.wait_out("out.all", 3).await?;
    site.wait_out("out.past", 3).await?;
    site.wait_out("out.later", 1).await?;
    site.wait_out("out.first", 3).await?;
    let ended = site.end().await?;
    for name in ["first", "all", "past"] {
        assert_eq!(ended.out(&format!("out.{name}")), ["EV_1", "EV_2", "EV_3"], "{name}");
        assert_eq!(ended.books(name)?, Sums { done: 3, ..Sums::default() }, "{name}");
    }
    assert_eq!(ended.out("out.later"), ["EV_3"]);
    Ok(())
}
