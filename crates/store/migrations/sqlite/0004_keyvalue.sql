-- The keys of handlers. The space is an ordering key, or empty where all lanes of the handler share the keys.
create table keyvalue (
    handler_id integer not null,
    run        text    not null,
    bucket     text    not null,
    space      text    not null,
    key        text    not null,
    value      blob    not null,
    version    integer not null, -- the stamp of the invocation that wrote it
    expires_at integer,          -- null: never
    primary key (handler_id, run, bucket, space, key)
) strict, without rowid;

create index keyvalue_expiring on keyvalue (expires_at) where expires_at is not null;

-- What buckets hold: the sum over the rows of one. A shard of -1 is for keys that the lanes of all shards share.
create table buckets (
    handler_id integer not null,
    run        text    not null,
    bucket     text    not null,
    shard      integer not null,
    version    integer not null, -- goes up with each commit that touches it
    changes    integer not null, -- goes up with each commit that changes it
    keys       integer not null,
    bytes      integer not null,
    primary key (handler_id, run, bucket, shard)
) strict, without rowid;
