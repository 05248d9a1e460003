-- The keys of handlers. The space is an ordering key, or empty where all lanes of the handler share the keys.
create table keyvalue (
    handler_id bigint not null,
    run        text collate "C" not null,
    bucket     text collate "C" not null,
    space      text collate "C" not null,
    key        text collate "C" not null,
    value      bytea  not null,
    version    bigint not null, -- the stamp of the invocation that wrote it
    expires_at bigint,          -- null: never
    primary key (handler_id, run, bucket, space, key)
);

create index keyvalue_expiring on keyvalue (expires_at) where expires_at is not null;

-- What buckets hold: the sum over the rows of one. A shard of -1 is for keys that the lanes of all shards share.
create table buckets (
    handler_id bigint not null,
    run        text collate "C" not null,
    bucket     text collate "C" not null,
    shard      bigint not null,
    version    bigint not null, -- goes up with each commit that touches it, which is how a stale one is noticed
    changes    bigint not null, -- goes up with each commit that changes it
    keys       bigint not null,
    bytes      bigint not null,
    primary key (handler_id, run, bucket, shard)
);
