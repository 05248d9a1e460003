//! Dead letters as operators see them, and as they are sent back.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Identity, Millis, Seq, Shard};
use serde::Serialize;

use crate::{
    Event,
    error::Failure,
    fields::{Arg, Ask, Fields},
    parked::event,
};

/// Which dead letters are wanted.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// Of this handler.
    pub handler: Option<String>,
    /// Of events of this type.
    pub kind: Option<String>,
    /// With this cause, in the word of [`crate::cause_word`].
    pub cause: Option<String>,
    /// That died at or after this time.
    pub since: Option<Millis>,
    /// That died at or before this time.
    pub until: Option<Millis>,
    /// At most so many; 1,000 where it is not said.
    pub limit: Option<u32>,
    /// Those too that were sent back since.
    pub redriven: bool,
}

/// A dead letter in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadSummary {
    /// The handler for which it is dead.
    pub handler: String,
    /// The run.
    pub run: String,
    /// The shard.
    pub shard: Shard,
    /// Its sequence in the stream.
    pub seq: Seq,
    /// The project's name.
    pub project: String,
    /// The event id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// The ordering key.
    pub key: String,
    /// Which death of this event it is, from 1.
    pub n: u32,
    /// Why, in one word.
    pub cause: String,
    /// Why, in the words of the last attempt.
    pub message: Option<String>,
    /// Attempts in all.
    pub attempts: u32,
    /// When it was given up.
    pub died_at: Millis,
    /// When the first attempt was made.
    pub first_at: Millis,
    /// When it was sent back, if it was.
    pub redriven_at: Option<Millis>,
    /// Its lane waits for an operator.
    pub held: bool,
}

/// A dead letter with all that is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: DeadSummary,
    /// The event's NATS headers.
    pub headers: serde_json::Value,
    /// The event's body.
    #[serde(skip)]
    pub body: Bytes,
    /// When a receiver accepted the event.
    pub received_at_ms: Millis,
    /// The plugin that ran last.
    pub digest: Option<String>,
    /// Its failed attempts, those before a redrive included.
    pub history: Vec<AttemptRow>,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Millis,
    /// How long it took.
    pub duration_us: u64,
    /// The plugin that ran.
    pub digest: Option<String>,
    /// The most memory the guest had.
    pub peak_memory: u64,
    /// How it ended.
    pub outcome: String,
    /// The error, or the reason that the guest gave.
    pub error: Option<String>,
    /// Where the guest broke.
    pub backtrace: Option<String>,
    /// The end of what it wrote to stderr.
    pub stderr: Option<String>,
    /// What it logged.
    pub logs: Option<String>,
}

/// A dead event with what it takes to run it again.
#[derive(Clone, Debug)]
pub struct DeadEvent {
    /// The run.
    pub run: Arc<str>,
    /// The shard.
    pub shard: Shard,
    /// The ordering key.
    pub key: Arc<str>,
    /// Its sequence in the stream.
    pub seq: Seq,
    /// Its identity.
    pub identity: Identity,
    /// Attempts made before it died.
    pub made: u32,
    /// Which death of this event it is, from 1.
    pub n: u32,
    /// The event.
    pub event: Arc<Event>,
}

/// Asks for dead letters, the newest first.
pub(crate) fn list(filter: &DeadFilter) -> Ask {
    const LIST: &str = "
        select h.name as handler, d.run as run, d.shard as shard, d.seq as seq, d.project as project,
            d.event_id as event_id, d.kind as kind, d.key as key, d.n as n, d.cause as cause, d.message as message,
            d.made as made, d.died_at as died_at, d.first_at as first_at, d.redriven_at as redriven_at,
            d.redriven_at is null and exists (
                select 1 from lanes as l
                where l.handler_id = d.handler_id and l.run = d.run and l.shard = d.shard and l.lane = d.lane
                    and l.held <> 0
            ) as held
        from dead as d join handlers as h on h.id = d.handler_id
        where (cast($1 as text) is null or h.name = $1) and (cast($2 as text) is null or d.kind = $2)
            and (cast($3 as text) is null or d.cause = $3)
            and (cast($4 as bigint) is null or d.died_at >= $4) and ($5 or d.redriven_at is null)
            and (cast($7 as bigint) is null or d.died_at <= $7)
        order by d.died_at desc, d.id desc limit $6";
    let args = vec![
        Arg::OptText(filter.handler.clone()),
        Arg::OptText(filter.kind.clone()),
        Arg::OptText(filter.cause.clone()),
        Arg::OptInt(filter.since.map(u64::cast_signed)),
        Arg::Flag(filter.redriven),
        i64::from(filter.limit.unwrap_or(1000)).into(),
        Arg::OptInt(filter.until.map(u64::cast_signed)),
    ];
    Ask { sql: LIST, args }
}

/// Asks for the newest death of an event.
pub(crate) fn newest(handler: &str, event_id: &str) -> Ask {
    const GET: &str = "
        select h.name as handler, d.handler_id as handler_id, d.run as run, d.shard as shard, d.seq as seq,
            d.project as project, d.created as created, d.event_id as event_id, d.kind as kind, d.key as key, d.n as n,
            d.cause as cause, d.message as message, d.made as made, d.died_at as died_at, d.first_at as first_at,
            d.redriven_at as redriven_at, d.received_at as received_at, d.headers as headers, d.body as body,
            p.digest as digest,
            d.redriven_at is null and exists (
                select 1 from lanes as l
                where l.handler_id = d.handler_id and l.run = d.run and l.shard = d.shard and l.lane = d.lane
                    and l.held <> 0
            ) as held
        from dead as d join handlers as h on h.id = d.handler_id left join plugins as p on p.id = d.plugin_id
        where h.name = $1 and d.event_id = $2 order by d.died_at desc, d.id desc limit 1";
    Ask { sql: GET, args: vec![handler.into(), event_id.into()] }
}

/// Asks for the attempts on the event of a row of [`newest`].
fn history(row: &dyn Fields) -> Result<Ask, sqlx::Error> {
    const HISTORY: &str = "
        select attempt, started_at, duration_us, p.digest as digest, peak_memory, outcome, error, backtrace, stderr,
            logs
        from attempts left join plugins as p on p.id = plugin_id
        where handler_id = $1 and run = $2 and project = $3 and created = $4 and event_id = $5
        order by attempt";
    let args = vec![
        row.int("handler_id")?.into(),
        Arg::Text(row.text("run")?),
        Arg::Text(row.text("project")?),
        row.int("created")?.into(),
        Arg::Text(row.text("event_id")?),
    ];
    Ok(Ask { sql: HISTORY, args })
}

/// The letter of a row of [`newest`], still without its history, and what to ask for that.
pub(crate) fn letter(row: &dyn Fields) -> Result<(DeadLetter, Ask), Failure> {
    let event = event(row)?;
    let letter = DeadLetter {
        summary: summary(row)?,
        headers: serde_json::from_str(&row.text("headers")?).map_err(|error| Failure::Invalid("headers", error))?,
        body: event.body,
        received_at_ms: event.received_at_ms,
        digest: row.opt_text("digest")?,
        history: Vec::new(),
    };
    Ok((letter, history(row)?))
}

/// Asks for an event that is dead now.
pub(crate) fn dead_now(handler: &str, event_id: &str) -> Ask {
    const FIND: &str = "
        select run, shard, seq, project, created, event_id, kind, key, made, n, received_at, headers, body
        from dead
        where handler_id = (select id from handlers where name = $1) and event_id = $2 and redriven_at is null
        order by died_at desc, id desc limit 1";
    Ask { sql: FIND, args: vec![handler.into(), event_id.into()] }
}

/// A row of [`dead_now`].
pub(crate) fn dead_event(row: &dyn Fields) -> Result<DeadEvent, sqlx::Error> {
    let event = event(row)?;
    Ok(DeadEvent {
        run: row.text("run")?.into(),
        shard: row.shard("shard")?,
        key: Arc::clone(&event.key),
        seq: event.seq,
        identity: event.identity.clone(),
        made: row.small("made")?,
        n: row.small("n")?,
        event: Arc::new(event),
    })
}

/// A row of [`list`].
pub(crate) fn summary(row: &dyn Fields) -> Result<DeadSummary, sqlx::Error> {
    Ok(DeadSummary {
        handler: row.text("handler")?,
        run: row.text("run")?,
        shard: row.shard("shard")?,
        seq: row.nat("seq")?,
        project: row.text("project")?,
        event_id: row.text("event_id")?,
        kind: row.text("kind")?,
        key: row.text("key")?,
        n: row.small("n")?,
        cause: row.text("cause")?,
        message: row.opt_text("message")?,
        attempts: row.small("made")?,
        died_at: row.nat("died_at")?,
        first_at: row.nat("first_at")?,
        redriven_at: row.opt_nat("redriven_at")?,
        held: row.flag("held")?,
    })
}

/// A row of [`history`].
pub(crate) fn attempt(row: &dyn Fields) -> Result<AttemptRow, sqlx::Error> {
    Ok(AttemptRow {
        attempt: row.small("attempt")?,
        started_at: row.nat("started_at")?,
        duration_us: row.nat("duration_us")?,
        digest: row.opt_text("digest")?,
        peak_memory: row.nat("peak_memory")?,
        outcome: row.text("outcome")?,
        error: row.opt_text("error")?,
        backtrace: row.opt_text("backtrace")?,
        stderr: row.opt_text("stderr")?,
        logs: row.opt_text("logs")?,
    })
}
