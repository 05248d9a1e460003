//! Dead letters as operators see them, and as they are sent back.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Identity, Millis, Seq, Shard};
use serde::Serialize;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Event,
    error::Failure,
    ledger::State,
    parked::event,
    writer::{Desk, Verdict, Work},
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

pub(crate) async fn list(conn: &mut SqliteConnection, filter: &DeadFilter) -> Result<Vec<DeadSummary>, sqlx::Error> {
    const LIST: &str = "
        select h.name as handler, d.run as run, d.shard as shard, d.seq as seq, d.project as project,
            d.event_id as event_id, d.kind as kind, d.key as key, d.n as n, d.cause as cause, d.message as message,
            d.made as made, d.died_at as died_at, d.first_at as first_at, d.redriven_at as redriven_at,
            d.redriven_at is null and exists (
                select 1 from lanes as l
                where l.handler_id = d.handler_id and l.run = d.run and l.shard = d.shard and l.lane = d.lane
                    and l.held = 1
            ) as held
        from dead as d join handlers as h on h.id = d.handler_id
        where (?1 is null or h.name = ?1) and (?2 is null or d.kind = ?2) and (?3 is null or d.cause = ?3)
            and (?4 is null or d.died_at >= ?4) and (?5 or d.redriven_at is null)
            and (?7 is null or d.died_at <= ?7)
        order by d.died_at desc, d.id desc limit ?6";
    let rows = sqlx::query(LIST)
        .bind(filter.handler.clone())
        .bind(filter.kind.clone())
        .bind(filter.cause.clone())
        .bind(filter.since.map(u64::cast_signed))
        .bind(filter.redriven)
        .bind(i64::from(filter.limit.unwrap_or(1000)))
        .bind(filter.until.map(u64::cast_signed))
        .fetch_all(conn)
        .await?;
    rows.iter().map(summary).collect()
}

pub(crate) async fn get(
    conn: &mut SqliteConnection,
    handler: &str,
    event_id: &str,
) -> Result<Option<DeadLetter>, Failure> {
    const GET: &str = "
        select h.name as handler, d.handler_id as handler_id, d.run as run, d.shard as shard, d.seq as seq,
            d.project as project, d.created as created, d.event_id as event_id, d.kind as kind, d.key as key, d.n as n,
            d.cause as cause, d.message as message, d.made as made, d.died_at as died_at, d.first_at as first_at,
            d.redriven_at as redriven_at, d.received_at as received_at, d.headers as headers, d.body as body,
            p.digest as digest,
            d.redriven_at is null and exists (
                select 1 from lanes as l
                where l.handler_id = d.handler_id and l.run = d.run and l.shard = d.shard and l.lane = d.lane
                    and l.held = 1
            ) as held
        from dead as d join handlers as h on h.id = d.handler_id left join plugins as p on p.id = d.plugin_id
        where h.name = ?1 and d.event_id = ?2 order by d.died_at desc, d.id desc limit 1";
    const HISTORY: &str = "
        select attempt, started_at, duration_us, p.digest as digest, peak_memory, outcome, error, backtrace, stderr,
            logs
        from attempts left join plugins as p on p.id = plugin_id
        where handler_id = ?1 and run = ?2 and project = ?3 and created = ?4 and event_id = ?5
        order by attempt";
    let found = sqlx::query(GET).bind(handler.to_owned()).bind(event_id.to_owned()).fetch_optional(&mut *conn).await?;
    let Some(row) = found else { return Ok(None) };
    let event = event(&row)?;
    let history = sqlx::query(HISTORY)
        .bind(row.try_get::<i64, _>("handler_id")?)
        .bind(row.try_get::<String, _>("run")?)
        .bind(Arc::clone(&event.project))
        .bind(event.identity.created)
        .bind(Arc::clone(&event.identity.id))
        .fetch_all(conn)
        .await?;
    Ok(Some(DeadLetter {
        summary: summary(&row)?,
        headers: serde_json::from_str(&event.headers).map_err(|error| Failure::Invalid("headers", error))?,
        body: event.body,
        received_at_ms: event.received_at_ms,
        digest: row.try_get("digest")?,
        history: history.iter().map(attempt).collect::<Result<_, sqlx::Error>>()?,
    }))
}

pub(crate) async fn dead_event(
    conn: &mut SqliteConnection,
    handler: &str,
    event_id: &str,
) -> Result<Option<DeadEvent>, sqlx::Error> {
    const FIND: &str = "
        select run, shard, seq, project, created, event_id, kind, key, made, n, received_at, headers, body
        from dead
        where handler_id = (select id from handlers where name = ?1) and event_id = ?2 and redriven_at is null
        order by died_at desc, id desc limit 1";
    let found = sqlx::query(FIND).bind(handler.to_owned()).bind(event_id.to_owned()).fetch_optional(conn).await?;
    let Some(row) = found else { return Ok(None) };
    let event = event(&row)?;
    Ok(Some(DeadEvent {
        run: row.try_get::<String, _>("run")?.into(),
        shard: row.try_get("shard")?,
        key: Arc::clone(&event.key),
        seq: event.seq,
        identity: event.identity.clone(),
        made: row.try_get("made")?,
        n: row.try_get("n")?,
        event: Arc::new(event),
    }))
}

/// The work of erasing what a skipped event's letters hold of it.
pub(crate) struct Erases {
    pub(crate) handler: Arc<str>,
    pub(crate) run: Arc<str>,
    pub(crate) event_id: String,
}

impl Work for Erases {
    type Output = ();
    const OPERATION: &'static str = "erase a dead letter";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        // Only of what is settled: a dead event's body is needed to run it again.
        const ERASE: &str = "
            update dead set headers = '{}', body = x''
            where handler_id = ?1 and run = ?2 and event_id = ?3 and exists (
                select 1 from ledger as l
                where l.handler_id = dead.handler_id and l.run = dead.run and l.project = dead.project
                    and l.created = dead.created and l.event_id = dead.event_id and l.state = ?4
            )";
        if let Some(id) = desk.names.handler(&mut desk.conn, &self.handler).await? {
            sqlx::query(ERASE)
                .bind(id)
                .bind(Arc::clone(&self.run))
                .bind(self.event_id.clone())
                .bind(State::Skipped.code())
                .execute(&mut desk.conn)
                .await?;
        }
        Ok(Verdict::Keep(()))
    }
}

fn summary(row: &SqliteRow) -> Result<DeadSummary, sqlx::Error> {
    Ok(DeadSummary {
        handler: row.try_get("handler")?,
        run: row.try_get("run")?,
        shard: row.try_get("shard")?,
        seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
        project: row.try_get("project")?,
        event_id: row.try_get("event_id")?,
        kind: row.try_get("kind")?,
        key: row.try_get("key")?,
        n: row.try_get("n")?,
        cause: row.try_get("cause")?,
        message: row.try_get("message")?,
        attempts: row.try_get("made")?,
        died_at: row.try_get::<i64, _>("died_at")?.cast_unsigned(),
        first_at: row.try_get::<i64, _>("first_at")?.cast_unsigned(),
        redriven_at: row.try_get::<Option<i64>, _>("redriven_at")?.map(i64::cast_unsigned),
        held: row.try_get("held")?,
    })
}

fn attempt(row: &SqliteRow) -> Result<AttemptRow, sqlx::Error> {
    Ok(AttemptRow {
        attempt: row.try_get("attempt")?,
        started_at: row.try_get::<i64, _>("started_at")?.cast_unsigned(),
        duration_us: row.try_get::<i64, _>("duration_us")?.cast_unsigned(),
        digest: row.try_get("digest")?,
        peak_memory: row.try_get::<i64, _>("peak_memory")?.cast_unsigned(),
        outcome: row.try_get("outcome")?,
        error: row.try_get("error")?,
        backtrace: row.try_get("backtrace")?,
        stderr: row.try_get("stderr")?,
        logs: row.try_get("logs")?,
    })
}
