//! Keys of handlers: counted once through kills, of each room or of all, and read anew by what runs again.

use anyhow::Result;
use serde_json::{Value, json};

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

/// A handler that does this with keys and publishes what came of it; `more` is laid over its config.
#[expect(clippy::needless_pass_by_value, reason = "callers write the bucket in place")]
fn keeper(plan: &str, bucket: Value, more: Value) -> Result<Value> {
    let mut config = json!({ "publish_to": "out.keys", "default": format!("keys:{plan}") });
    if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    let allow = json!({ "publish": ["out.>"], "keyvalue": [bucket] });
    handler("keeper", "behave", config, json!({ "allow": allow }))
}

fn numbered(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("EV_{number:03}")).collect()
}

fn counts(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("[{number}]")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_room_counts_once_though_the_runner_is_killed_again_and_again() -> Result<()> {
    let handlers = [keeper("usage add n 1", json!("usage"), json!({}))?];
    let mut site = Site::start(WINDOW, &handlers).await?;
    let ids = numbered(1..=60);
    for (round, ids) in ids.chunks(20).enumerate() {
        site.post_all("track_published", "blue", ids).await?;
        // Some of them are committed, some are not, and some may run at this moment.
        site.wait_out("out.keys", round * 20 + 5).await?;
        site = site.kill_and_start().await?;
    }
    site.wait_out("out.keys", 60).await?;
    site.post("track_published", "green", "EV_green").await?;
    site.wait_out("out.keys", 61).await?;
    let ended = site.end().await?;
    let mut expected = counts(1..=60);
    expected.push("[1]".to_owned());
    assert_eq!(ended.out("out.keys"), expected, "another room has keys of its own");
    assert_eq!(ended.books("keeper")?, Sums { done: 61, ..Sums::default() });
    Ok(())
}

/// A command that sets a key to one more than it finds in its document.
fn tally(bucket: &Value) -> Result<Value> {
    let allow = json!({ "publish": ["out.>"], "keyvalue": [bucket] });
    handler("tally", "tally", json!({}), json!({ "allow": allow, "stdin_keys": { "usage": ["n"] } }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_counts_each_event_once_by_the_key_in_its_document_though_the_runner_is_killed() -> Result<()> {
    let handlers = [tally(&json!("usage"))?];
    let mut site = Site::start(WINDOW, &handlers).await?;
    let ids = numbered(1..=45);
    for (round, ids) in ids.chunks(15).enumerate() {
        site.post_all("track_published", "blue", ids).await?;
        // Some of them are committed, some are not, and some may run at this moment.
        site.wait_out("out.tally", round * 15 + 4).await?;
        site = site.kill_and_start().await?;
    }
    site.wait_out("out.tally", 45).await?;
    site.post("track_published", "green", "EV_green").await?;
    site.wait_out("out.tally", 46).await?;
    let ended = site.end().await?;
    let mut expected: Vec<String> = (1..=45).map(|number| format!("blue {number}")).collect();
    expected.push("green 1".to_owned());
    assert_eq!(ended.out("out.tally"), expected, "another room has keys of its own");
    assert_eq!(ended.books("tally")?, Sums { done: 46, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_rooms_that_share_a_key_count_every_event_though_they_run_at_the_same_time() -> Result<()> {
    let site = Site::start(WINDOW, &[tally(&json!({ "name": "usage", "scope": "shared" }))?]).await?;
    for (room, ids) in numbered(1..=40).chunks(10).enumerate() {
        site.post_all("track_published", &format!("room-{room}"), ids).await?;
    }
    site.wait_out("out.tally", 40).await?;
    let ended = site.end().await?;
    let numbers = ended.out("out.tally").into_iter().filter_map(|it| it.split_once(' ')?.1.parse::<u64>().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert_eq!(ended.books("tally")?, Sums { done: 40, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_share_a_key_count_every_event_though_they_run_at_the_same_time() -> Result<()> {
    let bucket = json!({ "name": "totals", "scope": "shared" });
    let site = Site::start(WINDOW, &[keeper("totals get n; sleep 5; add n 1", bucket, json!({}))?]).await?;
    for (room, ids) in numbered(1..=60).chunks(10).enumerate() {
        site.post_all("track_published", &format!("room-{room}"), ids).await?;
    }
    site.wait_out("out.keys", 60).await?;
    let metrics = site.metric("roomwire_runner_invocations_total").await?;
    let ended = site.end().await?;
    let mut numbers: Vec<u64> = Vec::new();
    for answer in ended.out("out.keys") {
        let answers: Vec<Value> = serde_json::from_str(&answer)?;
        numbers.extend(answers.last().and_then(Value::as_u64));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>(), "{metrics:?}");
    assert_eq!(ended.books("keeper")?, Sums { done: 60, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_or_redriven_reads_what_is_there_now_and_a_failed_attempt_left_nothing() -> Result<()> {
    let more = json!({ "id:EV_002": "keys:usage add n 100; nonsense", "id:EV_004": "keys:usage add n 1; until 2" });
    let site = Site::start(WINDOW, &[keeper("usage add n 1", json!("usage"), more)?]).await?;
    site.post_all("track_published", "blue", &numbered(1..=4)).await?;
    site.wait_state("keeper", "EV_002", "dead").await?;
    site.wait_out("out.keys", 3).await?;
    let site = site.restart(&[keeper("usage add n 1", json!("usage"), json!({}))?]).await?;
    assert_eq!(site.ask(&["dlq", "redrive", "EV_002"]).await?.len(), 1);
    site.wait_out("out.keys", 4).await?;
    let ended = site.end().await?;
    assert_eq!(ended.out("out.keys"), ["[1]", "[2]", "[3,null]", "[4]"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_bucket_is_told_to_the_handler_in_words() -> Result<()> {
    let bucket = json!({ "name": "small", "max_keys": 1 });
    let site = Site::start(WINDOW, &[keeper("small set a 1; get a", bucket, json!({}))?]).await?;
    site.post("track_published", "blue", "EV_001").await?;
    site.wait_out("out.keys", 1).await?;
    site.post("track_published", "green", "EV_002").await?;
    site.wait_out("out.keys", 2).await?;
    let ended = site.end().await?;
    let full = "bucket `small` is full: it holds 1 of 1 keys (`max_keys`) and 2 of 67108864 bytes (`max_bytes`)";
    assert_eq!(ended.out("out.keys"), [json!([null, "1"]).to_string(), json!([{ "error": full }, null]).to_string()]);
    Ok(())
}
