-- Times are milliseconds since the Unix epoch. A run is `live` or the name of a replay.
-- No foreign keys: rows outlive a handler that left the configuration, and each insert would pay for the check.

create table handlers (
    id   integer primary key,
    name text    not null unique
) strict;

-- Digests of plugins, so that a ledger row holds a number instead of 64 characters.
create table plugins (
    id     integer primary key,
    digest text    not null unique
) strict;

-- Who owns a shard of a handler, and how far it is.
create table progress (
    handler_id     integer not null,
    run            text    not null,
    shard          integer not null,
    owner          text    not null,
    epoch          integer not null,
    clean          integer not null, -- 1: the owner gave it back, or its death was already laid at some event's door
    floor          integer not null, -- every sequence up to it is settled
    ranges         text    not null, -- JSON [[first, last], ...]: settled above the floor
    base           integer not null,
    done           integer not null,
    skipped        integer not null,
    filtered       integer not null,
    duplicate      integer not null,
    parked         integer not null,
    dead           integer not null,
    carried        integer not null, -- what the books held when the stream was found wiped: settled, but not in its sequences
    anchor_seq     integer,
    anchor_id      text,
    stream_created text    not null,
    lone_seq       integer,          -- runs alone now
    lone_number    integer,          -- orders it against the running marks
    updated_at     integer not null,
    primary key (handler_id, run, shard)
) strict, without rowid;

-- What became of each event. `created` before the id makes appends local.
create table ledger (
    handler_id  integer not null,
    run         text    not null,
    project     text    not null,
    created     integer not null, -- the body's createdAt in seconds, 0 where absent
    event_id    text    not null,
    shard       integer not null,
    seq         integer not null,
    state       integer not null, -- 1 done, 2 skipped, 3 filtered, 4 parked, 5 dead
    attempt     integer not null,
    settled_at  integer not null,
    plugin_id   integer,
    duration_us integer,
    peak_memory integer,
    note        text,             -- why it was skipped
    primary key (handler_id, run, project, created, event_id)
) strict, without rowid;

-- Lanes that have parked events or are held.
create table lanes (
    handler_id integer not null,
    run        text    not null,
    shard      integer not null,
    lane       text    not null,
    due        integer not null,
    held       integer not null,
    primary key (handler_id, run, shard, lane)
) strict, without rowid;

create table parked (
    id          integer primary key,
    handler_id  integer not null,
    run         text    not null,
    shard       integer not null,
    lane        text    not null,
    seq         integer not null,
    project     text    not null,
    created     integer not null,
    event_id    text    not null,
    kind        text    not null,
    key         text    not null,
    received_at integer not null,
    parked_at   integer not null,
    made        integer not null,
    crashes     integer not null,
    retries     integer not null,
    first_at    integer not null,
    next_at     integer not null,
    redriven    integer not null,
    headers     text    not null, -- JSON object
    body        blob    not null
) strict;

create unique index parked_in_lane on parked (handler_id, run, shard, lane, seq);

-- Attempts of events that failed and are neither settled nor parked.
create table retrying (
    handler_id integer not null,
    run        text    not null,
    shard      integer not null,
    seq        integer not null,
    made       integer not null,
    crashes    integer not null,
    retries    integer not null,
    first_at   integer not null,
    next_at    integer not null,
    primary key (handler_id, run, shard, seq)
) strict, without rowid;

-- Events that were in flight when an owner died.
create table suspects (
    handler_id  integer not null,
    run         text    not null,
    shard       integer not null,
    seq         integer not null,
    deaths      integer not null,
    lone_deaths integer not null,
    primary key (handler_id, run, shard, seq)
) strict, without rowid;

-- One row a failed attempt.
create table attempts (
    id          integer primary key,
    handler_id  integer not null,
    run         text    not null,
    project     text    not null,
    created     integer not null,
    event_id    text    not null,
    attempt     integer not null,
    shard       integer not null,
    seq         integer not null,
    started_at  integer not null,
    duration_us integer not null,
    plugin_id   integer,
    peak_memory integer not null,
    outcome     text    not null,
    error       text,
    backtrace   text,
    stderr      text,
    logs        text
) strict;

create unique index attempts_of_event on attempts (handler_id, run, project, created, event_id, attempt);

-- One row a death: a redriven event that dies again has another one.
create table dead (
    id          integer primary key,
    handler_id  integer not null,
    run         text    not null,
    project     text    not null,
    created     integer not null,
    event_id    text    not null,
    n           integer not null,
    shard       integer not null,
    seq         integer not null,
    lane        text    not null,
    kind        text    not null,
    key         text    not null,
    cause       text    not null,
    message     text,
    made        integer not null,
    first_at    integer not null,
    died_at     integer not null,
    redriven_at integer,          -- null: it is dead now
    plugin_id   integer,
    received_at integer not null,
    headers     text    not null, -- JSON object
    body        blob    not null
) strict;

create unique index dead_of_event on dead (handler_id, run, project, created, event_id, n);
create index dead_by_id on dead (handler_id, event_id);
create index dead_by_time on dead (died_at);
create index dead_now on dead (handler_id, run, shard) where redriven_at is null;

-- Messages to send after their commit, by id. A sent row is deleted.
create table outbox (
    id            integer primary key autoincrement,
    handler_id    integer not null,
    run           text    not null,
    key           text    not null,
    subject       text    not null,
    msg_id        text    not null,
    queued_at     integer not null,
    sent_at       integer,          -- noted before it is sent
    sent_stream   text,
    sent_last_seq integer,
    tries         integer not null default 0,
    error         text,
    headers       text    not null, -- JSON array of [name, value]
    body          blob    not null
) strict;
