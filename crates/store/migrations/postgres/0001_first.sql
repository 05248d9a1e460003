-- The same as for SQLite, which says what each column means; here is what differs.
-- Numbers are bigint, flags are 0 or 1. Texts sort by their bytes, which is fast and the same everywhere.

create table handlers (
    id   bigint generated always as identity primary key,
    name text collate "C" not null unique
);

create table plugins (
    id     bigint generated always as identity primary key,
    digest text collate "C" not null unique
);

-- The runners that live: one that does not renew its row is dead, and what it owned is free.
create table runners (
    name       text collate "C" primary key,
    handlers   text not null, -- JSON object: handler, number of shards
    expires_at timestamptz not null
) with (fillfactor = 50);

create table progress (
    handler_id     bigint not null,
    run            text collate "C" not null,
    shard          bigint not null,
    owner          text collate "C" not null, -- of `runners`
    epoch          bigint not null,
    clean          bigint not null, -- 1: nobody owns it
    floor          bigint not null,
    ranges         text   not null,
    base           bigint not null,
    done           bigint not null,
    skipped        bigint not null,
    filtered       bigint not null,
    duplicate      bigint not null,
    parked         bigint not null,
    dead           bigint not null,
    carried        bigint not null,
    anchor_seq     bigint,
    anchor_id      text,
    stream_created text   not null,
    lone_seq       bigint,
    lone_number    bigint,
    last_commit    bigint not null, -- the number of the last commit of this epoch: tells, after a lost answer, if it was written
    updated_at     bigint not null,
    primary key (handler_id, run, shard)
) with (fillfactor = 50);

create table ledger (
    handler_id  bigint not null,
    run         text collate "C" not null,
    project     text collate "C" not null,
    created     bigint not null,
    event_id    text collate "C" not null,
    shard       bigint not null,
    seq         bigint not null,
    state       bigint not null,
    attempt     bigint not null,
    settled_at  bigint not null,
    plugin_id   bigint,
    duration_us bigint,
    peak_memory bigint,
    note        text,
    primary key (handler_id, run, project, created, event_id)
);

create table lanes (
    handler_id bigint not null,
    run        text collate "C" not null,
    shard      bigint not null,
    lane       text collate "C" not null,
    due        bigint not null,
    held       bigint not null,
    primary key (handler_id, run, shard, lane)
);

create table parked (
    handler_id  bigint not null,
    run         text collate "C" not null,
    shard       bigint not null,
    lane        text collate "C" not null,
    seq         bigint not null,
    project     text collate "C" not null,
    created     bigint not null,
    event_id    text collate "C" not null,
    kind        text   not null,
    key         text   not null,
    received_at bigint not null,
    parked_at   bigint not null,
    made        bigint not null,
    crashes     bigint not null,
    retries     bigint not null,
    first_at    bigint not null,
    next_at     bigint not null,
    redriven    bigint not null,
    headers     text   not null,
    body        bytea  not null,
    primary key (handler_id, run, shard, lane, seq)
);

create table retrying (
    handler_id bigint not null,
    run        text collate "C" not null,
    shard      bigint not null,
    seq        bigint not null,
    made       bigint not null,
    crashes    bigint not null,
    retries    bigint not null,
    first_at   bigint not null,
    next_at    bigint not null,
    primary key (handler_id, run, shard, seq)
);

create table suspects (
    handler_id  bigint not null,
    run         text collate "C" not null,
    shard       bigint not null,
    seq         bigint not null,
    deaths      bigint not null,
    lone_deaths bigint not null,
    primary key (handler_id, run, shard, seq)
);

-- What is in flight. It must outlive a runner, not the server: it is not logged, and a server that crashed has none.
create unlogged table marks (
    handler text collate "C" not null,
    run     text collate "C" not null,
    shard   bigint not null,
    epoch   bigint not null,
    number  bigint not null,
    running text   not null, -- JSON array of sequences
    primary key (handler, run, shard)
) with (fillfactor = 50);

create table attempts (
    handler_id  bigint not null,
    run         text collate "C" not null,
    project     text collate "C" not null,
    created     bigint not null,
    event_id    text collate "C" not null,
    attempt     bigint not null,
    shard       bigint not null,
    seq         bigint not null,
    started_at  bigint not null,
    duration_us bigint not null,
    plugin_id   bigint,
    peak_memory bigint not null,
    outcome     text   not null,
    error       text,
    backtrace   text,
    stderr      text,
    logs        text,
    primary key (handler_id, run, project, created, event_id, attempt)
);

create table dead (
    id          bigint generated always as identity primary key,
    handler_id  bigint not null,
    run         text collate "C" not null,
    project     text collate "C" not null,
    created     bigint not null,
    event_id    text collate "C" not null,
    n           bigint not null,
    shard       bigint not null,
    seq         bigint not null,
    lane        text collate "C" not null,
    kind        text collate "C" not null,
    key         text   not null,
    cause       text collate "C" not null,
    message     text,
    made        bigint not null,
    first_at    bigint not null,
    died_at     bigint not null,
    redriven_at bigint,
    plugin_id   bigint,
    received_at bigint not null,
    headers     text   not null,
    body        bytea  not null
);

create unique index dead_of_event on dead (handler_id, run, project, created, event_id, n);
create index dead_by_id on dead (handler_id, event_id);
create index dead_by_time on dead (died_at);
create index dead_now on dead (handler_id, run, shard) where redriven_at is null;

create table outbox (
    id            bigint generated always as identity primary key,
    handler_id    bigint not null,
    run           text collate "C" not null,
    shard         bigint not null, -- whoever owns it sends
    key           text   not null,
    subject       text   not null,
    msg_id        text   not null,
    queued_at     bigint not null,
    sent_at       bigint,
    sent_stream   text,
    sent_last_seq bigint,
    tries         bigint not null default 0,
    error         text,
    headers       text   not null,
    body          bytea  not null
);

create table stops (
    handler_id bigint not null,
    run        text collate "C" not null,
    began      bigint not null,
    ended      bigint, -- null: it is paused
    primary key (handler_id, run, began)
);
