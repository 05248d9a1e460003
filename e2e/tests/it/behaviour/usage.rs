//! What `usage-meter` counts: each stay once, also of those who came before it and of those who never left.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::site::{Site, WINDOW};
use crate::rig::handler;

const BEGAN: i64 = 1_769_860_800;

fn event(id: &str, kind: &str, participant: Option<(&str, &str)>, after: i64) -> String {
    let participant = participant.map(|(sid, kind)| {
        json!({"sid": sid, "identity": format!("who-{sid}"), "kind": kind, "joinedAt": (BEGAN - 30).to_string()})
    });
    let body = json!({
        "event": kind, "room": {"sid": "RM_1", "name": "demo", "metadata": "{\"plan\":\"pro\"}"}, "participant": participant,
        "id": id, "createdAt": (BEGAN + after).to_string(),
    });
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stay_is_counted_once_and_by_the_plan_of_its_room() -> Result<()> {
    let allow = json!({ "allow": { "publish": ["out.>"], "keyvalue": ["usage"] } });
    let meter = handler("meter", "usage_meter", json!({ "subject": "out.usage" }), allow)?;
    let site = Site::start(WINDOW, &[meter]).await?;
    for body in [
        event("EV_1", "participant_joined", Some(("PA_1", "STANDARD")), 0),
        event("EV_2", "participant_joined", Some(("PA_2", "SIP")), 5),
        event("EV_3", "participant_joined", Some(("PA_3", "AGENT")), 5),
        event("EV_4", "participant_left", Some(("PA_1", "STANDARD")), 61),
        // LiveKit sends it again from another webhook: it is the same event.
        event("EV_4", "participant_left", Some(("PA_1", "STANDARD")), 61),
        event("EV_5", "participant_left", Some(("PA_0", "STANDARD")), 30),
        event("EV_6", "participant_left", Some(("PA_3", "AGENT")), 70),
        event("EV_7", "room_finished", None, 125),
    ] {
        site.post_body(&body).await?;
    }
    site.wait_state("meter", "EV_7", "done").await?;
    site.wait_out("out.usage", 3).await?;
    let ended = site.end().await?;
    let bills: Vec<Value> =
        ended.out("out.usage").iter().map(|bill| serde_json::from_str(bill)).collect::<Result<_, _>>()?;
    let told = |bill: &Value| -> Option<(String, i64, i64, i64)> {
        let number = |key: &str| bill[key].as_i64();
        let who = bill["stays"][0]["identity"].as_str()?.to_owned();
        Some((who, number("seconds")?, number("minutes")?, number("total_minutes")?))
    };
    let told: Vec<_> = bills.iter().map(told).collect::<Option<_>>().with_context(|| format!("{bills:?}"))?;
    let expected = [("who-PA_1", 61, 2, 2), ("who-PA_0", 60, 1, 3), ("who-PA_2", 120, 2, 5)];
    assert_eq!(told, expected.map(|(who, seconds, minutes, total)| (who.to_owned(), seconds, minutes, total)));
    assert!(bills.iter().all(|bill| bill["plan"] == "pro" && bill["room"] == "demo"), "{bills:?}");
    let books = ended.books("meter")?;
    assert_eq!((books.done, books.skipped, books.dead), (5, 2, 0), "{books:?}");
    Ok(())
}
