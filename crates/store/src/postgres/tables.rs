//! What a commit does to each table: the rows that come in, and the part of the statement that takes them.
//!
//! Rows that change are looked for one by one, each by its whole key, in a subquery that the planner may not turn around
//! (`offset 0`): left to itself it walks the table for as long as nobody has analysed it.

pub(crate) mod keyvalue;

use super::sheet::{
    Kind::{Bytes, Int, Text},
    Shape,
};

/// A part of the statement of a commit. It sees its rows under the name of the shape, and in `mine` the commits whose
/// epoch still stands: `n`, `handler_id`, `run` and `shard`. The time is `$1`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) shape: Shape,
    /// Each of its rows is one that it changed.
    pub(crate) sql: &'static str,
    pub(crate) exact: Exact,
}

/// Whether it must change as many rows as came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exact {
    /// It need not.
    No,
    /// Else one is not where it was, or not what it was.
    There,
    /// Else the statement has not seen what others wrote just now: it is to be sent again.
    Fresh,
}

/// The commits themselves.
pub(crate) static COMMITS: Shape = Shape {
    name: "commits",
    columns: &[
        ("n", Int),
        ("handler_id", Int),
        ("run", Text),
        ("shard", Int),
        ("epoch", Int),
        ("number", Int),
        ("floor", Int),
        ("ranges", Text),
        ("base", Int),
        ("done", Int),
        ("skipped", Int),
        ("filtered", Int),
        ("duplicate", Int),
        ("parked", Int),
        ("dead", Int),
        ("anchor_seq", Int),
        ("anchor_id", Text),
    ],
};

/// Moves the progress of those commits whose epoch still stands. Rows are locked in a fixed order, so that no two
/// statements wait for each other; one that the server had kept of a connection that is gone comes too late. `ended` are
/// the sequences whose runs are over.
pub(crate) const ADVANCE: &str = "
    locked as (
        select c.n from commits as c
        join progress as p on p.handler_id = c.handler_id and p.run = c.run and p.shard = c.shard
        where p.epoch = c.epoch and p.last_commit < c.number
        order by p.handler_id, p.run, p.shard for update of p
    ),
    mine as (
        update progress as p
        set updated_at = $1, floor = c.floor, ranges = c.ranges, base = c.base, done = c.done, skipped = c.skipped,
            filtered = c.filtered, duplicate = c.duplicate, parked = c.parked, dead = c.dead,
            anchor_seq = c.anchor_seq, anchor_id = c.anchor_id, last_commit = c.number,
            lone_seq = case
                when p.lone_seq is null
                    or exists (select 1 from ended as e where e.n = c.n and e.seq = p.lone_seq) then null
                else p.lone_seq
            end
        from locked join commits as c on c.n = locked.n
        where p.handler_id = c.handler_id and p.run = c.run and p.shard = c.shard and p.epoch = c.epoch
        returning c.n, p.handler_id, p.run, p.shard
    )";

/// Sequences whose runs are over.
pub(crate) static ENDED: Shape = Shape { name: "ended", columns: &[("n", Int), ("seq", Int)] };

pub(crate) static SUSPECTS: Table = Table {
    shape: Shape { name: "cleared", columns: &[("n", Int), ("seq", Int)] },
    sql: "delete from suspects as s using (
            select r.*, x.at from cleared as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from suspects as t
                where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard and t.seq = r.seq
                offset 0
            ) as x
        ) as r
        where s.ctid = r.at
        returning 1",
    exact: Exact::No,
};

pub(crate) static LEDGER: Table = Table {
    shape: Shape {
        name: "settled",
        columns: &[
            ("n", Int),
            ("project", Text),
            ("created", Int),
            ("event_id", Text),
            ("seq", Int),
            ("state", Int),
            ("attempt", Int),
            ("plugin_id", Int),
            ("duration_us", Int),
            ("peak_memory", Int),
            ("note", Text),
            ("was", Int),
        ],
    },
    sql: "insert into ledger (handler_id, run, shard, settled_at, project, created, event_id, seq, state, attempt,
            plugin_id, duration_us, peak_memory, note)
        select m.handler_id, m.run, m.shard, $1, r.project, r.created, r.event_id, r.seq, r.state, r.attempt,
            r.plugin_id, r.duration_us, r.peak_memory, r.note
        from settled as r join mine as m on m.n = r.n
        returning 1",
    exact: Exact::No,
};

pub(crate) static LEDGER_CHANGED: Table = Table {
    shape: Shape {
        name: "resettled",
        columns: &[
            ("n", Int),
            ("project", Text),
            ("created", Int),
            ("event_id", Text),
            ("seq", Int),
            ("state", Int),
            ("attempt", Int),
            ("plugin_id", Int),
            ("duration_us", Int),
            ("peak_memory", Int),
            ("note", Text),
            ("was", Int),
        ],
    },
    sql: "update ledger as l
        set settled_at = $1, seq = r.seq, state = r.state, attempt = r.attempt, plugin_id = r.plugin_id,
            duration_us = r.duration_us, peak_memory = r.peak_memory, note = r.note
        from (
            select r.*, x.at from resettled as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from ledger as t
                where t.handler_id = m.handler_id and t.run = m.run and t.project = r.project and t.created = r.created
                    and t.event_id = r.event_id and t.state = r.was
                offset 0
            ) as x
        ) as r
        where l.ctid = r.at
        returning 1",
    exact: Exact::There,
};

pub(crate) static PARKED: Table = Table {
    shape: Shape {
        name: "parking",
        columns: &[
            ("n", Int),
            ("lane", Text),
            ("seq", Int),
            ("project", Text),
            ("created", Int),
            ("event_id", Text),
            ("kind", Text),
            ("key", Text),
            ("received_at", Int),
            ("made", Int),
            ("crashes", Int),
            ("retries", Int),
            ("first_at", Int),
            ("next_at", Int),
            ("redriven", Int),
            ("headers", Text),
            ("body", Bytes),
        ],
    },
    sql: "insert into parked (handler_id, run, shard, parked_at, lane, seq, project, created, event_id, kind, key,
            received_at, made, crashes, retries, first_at, next_at, redriven, headers, body)
        select m.handler_id, m.run, m.shard, $1, r.lane, r.seq, r.project, r.created, r.event_id, r.kind, r.key,
            r.received_at, r.made, r.crashes, r.retries, r.first_at, r.next_at, r.redriven, r.headers, r.body
        from parking as r join mine as m on m.n = r.n
        returning 1",
    exact: Exact::No,
};

pub(crate) static PARKED_CHANGED: Table = Table {
    shape: Shape {
        name: "staying",
        columns: &[
            ("n", Int),
            ("lane", Text),
            ("seq", Int),
            ("made", Int),
            ("crashes", Int),
            ("retries", Int),
            ("first_at", Int),
            ("next_at", Int),
        ],
    },
    sql: "update parked as p
        set made = r.made, crashes = r.crashes, retries = r.retries, first_at = r.first_at, next_at = r.next_at
        from (
            select r.*, x.at from staying as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from parked as t
                where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard and t.lane = r.lane and t.seq = r.seq
                offset 0
            ) as x
        ) as r
        where p.ctid = r.at
        returning 1",
    exact: Exact::There,
};

pub(crate) static PARKED_GONE: Table = Table {
    shape: Shape { name: "leaving", columns: &[("n", Int), ("lane", Text), ("seq", Int)] },
    sql: "delete from parked as p using (
            select r.*, x.at from leaving as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from parked as t
                where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard and t.lane = r.lane and t.seq = r.seq
                offset 0
            ) as x
        ) as r
        where p.ctid = r.at
        returning 1",
    exact: Exact::There,
};

pub(crate) static RETRYING: Table = Table {
    shape: Shape {
        name: "again",
        columns: &[
            ("n", Int),
            ("seq", Int),
            ("made", Int),
            ("crashes", Int),
            ("retries", Int),
            ("first_at", Int),
            ("next_at", Int),
        ],
    },
    // One commit may tell of several attempts of an event: the last one counts.
    sql: "insert into retrying (handler_id, run, shard, seq, made, crashes, retries, first_at, next_at)
        select distinct on (m.n, r.seq) m.handler_id, m.run, m.shard, r.seq, r.made, r.crashes, r.retries, r.first_at,
            r.next_at
        from again as r join mine as m on m.n = r.n
        order by m.n, r.seq, r.place desc
        on conflict (handler_id, run, shard, seq) do update
        set made = excluded.made, crashes = excluded.crashes, retries = excluded.retries,
            first_at = excluded.first_at, next_at = excluded.next_at
        returning 1",
    exact: Exact::No,
};

pub(crate) static RETRYING_GONE: Table = Table {
    shape: Shape { name: "over", columns: &[("n", Int), ("seq", Int)] },
    sql: "delete from retrying as g using (
            select r.*, x.at from over as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from retrying as t
                where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard and t.seq = r.seq
                offset 0
            ) as x
        ) as r
        where g.ctid = r.at
        returning 1",
    exact: Exact::No,
};

pub(crate) static ATTEMPTS: Table = Table {
    shape: Shape {
        name: "tried",
        columns: &[
            ("n", Int),
            ("project", Text),
            ("created", Int),
            ("event_id", Text),
            ("attempt", Int),
            ("seq", Int),
            ("started_at", Int),
            ("duration_us", Int),
            ("plugin_id", Int),
            ("peak_memory", Int),
            ("outcome", Text),
            ("error", Text),
            ("backtrace", Text),
            ("stderr", Text),
            ("logs", Text),
        ],
    },
    // A commit that is sent again after its answer was lost may bring an attempt that stands already: the same one.
    sql: "insert into attempts (handler_id, run, shard, project, created, event_id, attempt, seq, started_at,
            duration_us, plugin_id, peak_memory, outcome, error, backtrace, stderr, logs)
        select m.handler_id, m.run, m.shard, r.project, r.created, r.event_id, r.attempt, r.seq, r.started_at,
            r.duration_us, r.plugin_id, r.peak_memory, r.outcome, r.error, r.backtrace, r.stderr, r.logs
        from tried as r join mine as m on m.n = r.n
        on conflict (handler_id, run, project, created, event_id, attempt) do nothing
        returning 1",
    exact: Exact::No,
};

pub(crate) static DEAD: Table = Table {
    shape: Shape {
        name: "dying",
        columns: &[
            ("n", Int),
            ("project", Text),
            ("created", Int),
            ("event_id", Text),
            ("death", Int),
            ("seq", Int),
            ("lane", Text),
            ("kind", Text),
            ("key", Text),
            ("cause", Text),
            ("message", Text),
            ("made", Int),
            ("first_at", Int),
            ("plugin_id", Int),
            ("received_at", Int),
            ("headers", Text),
            ("body", Bytes),
        ],
    },
    sql:
        "insert into dead (handler_id, run, shard, died_at, project, created, event_id, n, seq, lane, kind, key, cause,
            message, made, first_at, plugin_id, received_at, headers, body)
        select m.handler_id, m.run, m.shard, $1, r.project, r.created, r.event_id, r.death, r.seq, r.lane, r.kind,
            r.key, r.cause, r.message, r.made, r.first_at, r.plugin_id, r.received_at, r.headers, r.body
        from dying as r join mine as m on m.n = r.n
        order by r.place
        returning 1",
    exact: Exact::No,
};

pub(crate) static REDRIVEN: Table = Table {
    shape: Shape { name: "risen", columns: &[("n", Int), ("project", Text), ("created", Int), ("event_id", Text)] },
    sql: "update dead as d set redriven_at = $1 from (
            select r.*, x.at from risen as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from dead as t
                where t.handler_id = m.handler_id and t.run = m.run and t.project = r.project and t.created = r.created
                    and t.event_id = r.event_id
                offset 0
            ) as x
        ) as r
        where d.ctid = r.at and d.redriven_at is null
        returning 1",
    exact: Exact::No,
};

pub(crate) static OUTBOX: Table = Table {
    shape: Shape {
        name: "posted",
        columns: &[
            ("n", Int),
            ("key", Text),
            ("subject", Text),
            ("request", Text),
            ("msg_id", Text),
            ("headers", Text),
            ("body", Bytes),
        ],
    },
    sql: "insert into outbox (handler_id, run, shard, queued_at, key, subject, request, msg_id, headers, body)
        select m.handler_id, m.run, m.shard, $1, r.key, r.subject, r.request, r.msg_id, r.headers, r.body
        from posted as r join mine as m on m.n = r.n
        order by r.place
        returning 1",
    exact: Exact::No,
};

pub(crate) static LANES: Table = Table {
    shape: Shape { name: "standing", columns: &[("n", Int), ("lane", Text), ("due", Int), ("held", Int)] },
    sql: "insert into lanes (handler_id, run, shard, lane, due, held)
        select m.handler_id, m.run, m.shard, r.lane, r.due, r.held from standing as r join mine as m on m.n = r.n
        on conflict (handler_id, run, shard, lane) do update set due = excluded.due, held = excluded.held
        returning 1",
    exact: Exact::No,
};

pub(crate) static LANES_GONE: Table = Table {
    shape: Shape { name: "empty", columns: &[("n", Int), ("lane", Text)] },
    sql: "delete from lanes as l using (
            select r.*, x.at from empty as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from lanes as t
                where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard and t.lane = r.lane
                offset 0
            ) as x
        ) as r
        where l.ctid = r.at
        returning 1",
    exact: Exact::No,
};
