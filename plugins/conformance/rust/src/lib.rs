//! Uses each capability of the host once, by the event's type: what must come of it is in e2e/conformance/roll-call.json.

#![cfg(target_family = "wasm")]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roomwire::effects::{self, publish};
use roomwire::keyvalue;
use roomwire::{Event, Failure, Handled, Outcome, config, http, livekit, log, secrets};
use serde::{Deserialize, Serialize};

fn handle(event: &Event) -> Handled {
    match event.kind.as_str() {
        "participant_joined" => joined(event)?,
        "participant_left" => left(event)?,
        "room_started" => ask(event)?,
        "room_finished" => send_on(event)?,
        "track_published" => post_with_secret(event)?,
        "track_unpublished" => ask_where_not_granted()?,
        "egress_started" => list_rooms()?,
        "egress_ended" => one(event),
        "ingress_ended" => get_where_not_granted()?,
        _ => return Ok(Outcome::skipped("not on the roll")),
    }
    Ok(Outcome::Done)
}

fn joined(event: &Event) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Arrival<'a> {
        room: &'a str,
        identity: &'a str,
        joined: i64,
    }
    let identity = event.participant.as_deref().unwrap_or_default();
    log::info!("{identity} joined");
    let bucket = keyvalue::open(&config::require("bucket")?)?;
    let joined = bucket.add("joined", 1)?;
    bucket.set("last", identity)?;
    tell(&Arrival { room: room(event), identity, joined })
}

fn left(event: &Event) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Departure<'a> {
        room: &'a str,
        last: Option<String>,
        keys: Vec<String>,
    }
    let bucket = keyvalue::open(&config::require("bucket")?)?;
    let last = bucket.get("last")?.map(|last| String::from_utf8_lossy(&last).into_owned());
    bucket.delete("last")?;
    let mut keys = bucket.keys()?;
    keys.sort();
    tell(&Departure { room: room(event), last, keys })
}

fn ask(event: &Event) -> Result<(), Failure> {
    let name = utf8_percent_encode(room(event), NON_ALPHANUMERIC);
    let url = format!("{}/rooms/{name}", config::require("endpoint")?);
    let answer = http::Request::get(url).header("x-event-id", event.id.as_str()).send()?;
    match answer.status {
        200 => Ok(publish(config::require("subject")?, answer.body)?),
        404 => Err(Failure::permanent(format!("upstream does not know {}", room(event)))),
        status => Err(Failure::retry(format!("upstream answered {status}"))),
    }
}

fn send_on(event: &Event) -> Result<(), Failure> {
    let url = format!("{}/finished", config::require("endpoint")?);
    Ok(effects::Request::post(url, event.json.as_str()).header("x-room", room(event)).send()?)
}

fn post_with_secret(event: &Event) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Published {
        sid: String,
    }
    let sid = event.webhook()?.track.unwrap_or_default().sid;
    let url = format!("{}/tracks", config::require("endpoint")?);
    let answer = http::Request::post(url, json(&Published { sid })?)
        .header("authorization", format!("Bearer {}", secrets::get("TOKEN")?))
        .header("content-type", "application/json")
        .send()?;
    match answer.status {
        204 => Ok(()),
        status => Err(Failure::retry(format!("upstream answered {status}"))),
    }
}

fn ask_where_not_granted() -> Result<(), Failure> {
    http::Request::get("http://not-granted.invalid/").send()?;
    Ok(())
}

fn list_rooms() -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Room {
        name: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        rooms: Vec<Room>,
    }
    #[derive(Serialize)]
    struct Rooms {
        rooms: Vec<String>,
    }
    let answer: Answer = livekit::call("RoomService", "ListRooms", &serde_json::json!({}))?;
    tell(&Rooms { rooms: answer.rooms.into_iter().map(|room| room.name).collect() })
}

fn get_where_not_granted() -> Result<(), Failure> {
    keyvalue::open("not-granted")?.get("last")?;
    Ok(())
}

fn one(event: &Event) {
    two(event);
}

fn two(event: &Event) {
    three(event);
}

#[expect(clippy::panic, reason = "what becomes of a panic is what is looked at")]
fn three(event: &Event) {
    panic!("three calls deep in {}", event.kind);
}

fn room(event: &Event) -> &str {
    event.room.as_deref().unwrap_or_default()
}

fn tell(what: &impl Serialize) -> Result<(), Failure> {
    Ok(publish(config::require("subject")?, json(what)?)?)
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::permanent(error.to_string()))
}

roomwire::export!(handle);
