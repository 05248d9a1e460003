//! The handler: who comes is kept, who leaves is counted, and what remains when a room ends is counted then.

use roomwire::keyvalue::{self, Bucket};
use roomwire::webhook::Webhook;
use roomwire::{Event, Failure, Handled, Outcome, config, effects};

use crate::settings::Settings;
use crate::stay::{Here, Stay, bill};

/// Keys of those who are in the room begin so, and go on with the id of the stay.
const HERE: &str = "here/";

fn handle(event: &Event) -> Handled {
    let settings = settings().map_err(Failure::permanent)?;
    let webhook = event.webhook()?;
    let bucket = keyvalue::open(&settings.bucket)?;
    let stays = match event.kind.as_str() {
        "participant_joined" => return joins(&settings, &webhook, &bucket),
        "participant_left" | "participant_connection_aborted" => leaves(&settings, &webhook, &bucket)?,
        "room_finished" => all_leave(&webhook, &bucket)?,
        _ => return Ok(Outcome::skipped("nobody came or left")),
    };
    if stays.is_empty() {
        return Ok(Outcome::skipped("nobody who counts"));
    }
    let room = webhook.room.unwrap_or_default();
    let plan = settings.plan_of(&room.metadata);
    let (mut seconds, mut minutes) = (0, 0);
    for stay in &stays {
        seconds += stay.seconds;
        minutes += stay.minutes;
        bucket.delete(&format!("{HERE}{}", stay.sid))?;
    }
    let totals = (bucket.add(&format!("seconds/{plan}"), seconds)?, bucket.add(&format!("minutes/{plan}"), minutes)?);
    effects::publish(settings.subject, bill(&room.name, &plan, &stays, totals))?;
    Ok(Outcome::Done)
}

fn joins(settings: &Settings, webhook: &Webhook, bucket: &Bucket) -> Handled {
    let participant = webhook.participant.as_ref().ok_or_else(|| Failure::permanent("no participant in the event"))?;
    if !settings.kinds.contains(&participant.kind) {
        return Ok(Outcome::skipped(format!("{} does not count", participant.kind)));
    }
    let here = Here { identity: participant.identity.clone(), since: webhook.created_at };
    let here = serde_json::to_vec(&here).map_err(|error| Failure::permanent(error.to_string()))?;
    bucket.set(&format!("{HERE}{}", participant.sid), here)?;
    Ok(Outcome::Done)
}

fn leaves(settings: &Settings, webhook: &Webhook, bucket: &Bucket) -> Result<Vec<Stay>, Failure> {
    let participant = webhook.participant.as_ref().ok_or_else(|| Failure::permanent("no participant in the event"))?;
    let here = match here(bucket, &participant.sid)? {
        Some(here) => here,
        // They came before this handler was there, and LiveKit says when.
        None if participant.joined_at > 0 && settings.kinds.contains(&participant.kind) => {
            Here { identity: participant.identity.clone(), since: participant.joined_at }
        }
        None => return Ok(Vec::new()),
    };
    Ok(vec![here.leaves(&participant.sid, webhook.created_at)])
}

/// Of those who are still there LiveKit did not say that they left.
fn all_leave(webhook: &Webhook, bucket: &Bucket) -> Result<Vec<Stay>, Failure> {
    let mut stays = Vec::new();
    for key in bucket.keys()? {
        let Some(sid) = key.strip_prefix(HERE) else { continue };
        if let Some(here) = here(bucket, sid)? {
            stays.push(here.leaves(sid, webhook.created_at));
        }
    }
    Ok(stays)
}

fn here(bucket: &Bucket, sid: &str) -> Result<Option<Here>, Failure> {
    let Some(kept) = bucket.get(&format!("{HERE}{sid}"))? else { return Ok(None) };
    serde_json::from_slice(&kept)
        .map(Some)
        .map_err(|error| Failure::permanent(format!("what is kept of {sid}: {error}")))
}

fn check() -> Result<(), String> {
    settings().map(drop)
}

fn settings() -> Result<Settings, String> {
    let config = config::all().map_err(|error| error.to_string())?;
    let get = |key: &str| config.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    Settings::read(get).map_err(|error| error.to_string())
}

roomwire::export!(handle, check);
