//! What a commit does to keys: what it read must still stand, then buckets are counted and keys are changed.
//!
//! A statement sees the database as it was when it began. Every commit that touches a bucket writes the bucket's row, one
//! after the other, and says from which version: one that waited for another there has seen too little, changes no row,
//! and is sent again. So what a statement sees of a bucket is all there is, keys that are not there included.

use super::{
    super::sheet::{
        Kind::{Bytes, Int, Text},
        Shape,
    },
    Exact, Table,
};

pub(crate) static TOUCHED: Table = Table {
    shape: Shape { name: "touched", columns: &[("n", Int), ("bucket", Text), ("shard", Int), ("changes", Int)] },
    sql: "insert into buckets (handler_id, run, bucket, shard, version, changes, keys, bytes)
        select m.handler_id, m.run, r.bucket, r.shard, coalesce(b.version, 0) + 1, coalesce(b.changes, 0) + r.changes,
            coalesce(b.keys, 0) + d.keys, coalesce(b.bytes, 0) + d.bytes
        from touched as r join mine as m on m.n = r.n
        left join lateral (
            select t.version, t.changes, t.keys, t.bytes from buckets as t
            where t.handler_id = m.handler_id and t.run = m.run and t.bucket = r.bucket and t.shard = r.shard
            offset 0
        ) as b on true
        cross join lateral (
            select cast(coalesce(sum(w.keys - case when o.size is null then 0 else 1 end), 0) as bigint) as keys,
                cast(coalesce(sum(w.size - coalesce(o.size, 0)), 0) as bigint) as bytes
            from (
                select p.space, p.key, 1 as keys, octet_length(p.key) + octet_length(p.value) as size
                from put as p where p.n = r.n and p.bucket = r.bucket
                union all
                select g.space, g.key, 0, 0 from removed as g where g.n = r.n and g.bucket = r.bucket
            ) as w
            left join lateral (
                select octet_length(t.key) + octet_length(t.value) as size from keyvalue as t
                where t.handler_id = m.handler_id and t.run = m.run and t.bucket = r.bucket and t.space = w.space
                    and t.key = w.key
                offset 0
            ) as o on true
        ) as d
        order by m.handler_id, m.run, r.bucket, r.shard
        on conflict (handler_id, run, bucket, shard) do update
        set version = excluded.version, changes = excluded.changes, keys = excluded.keys, bytes = excluded.bytes
        where buckets.version = excluded.version - 1
        returning 1",
    exact: Exact::Fresh,
};

pub(crate) static SEEN: Table = Table {
    shape: Shape {
        name: "seen",
        columns: &[("n", Int), ("bucket", Text), ("space", Text), ("key", Text), ("version", Int)],
    },
    sql: "select 1 from seen as r join mine as m on m.n = r.n
        left join lateral (
            select t.version from keyvalue as t
            where t.handler_id = m.handler_id and t.run = m.run and t.bucket = r.bucket and t.space = r.space
                and t.key = r.key
            offset 0
        ) as k on true
        where coalesce(k.version, 0) = r.version",
    exact: Exact::There,
};

pub(crate) static LISTED: Table = Table {
    shape: Shape { name: "listed", columns: &[("n", Int), ("bucket", Text), ("shard", Int), ("changes", Int)] },
    sql: "select 1 from listed as r join mine as m on m.n = r.n
        left join lateral (
            select t.changes from buckets as t
            where t.handler_id = m.handler_id and t.run = m.run and t.bucket = r.bucket and t.shard = r.shard
            offset 0
        ) as b on true
        where coalesce(b.changes, 0) = r.changes",
    exact: Exact::There,
};

pub(crate) static PUT: Table = Table {
    shape: Shape {
        name: "put",
        columns: &[
            ("n", Int),
            ("bucket", Text),
            ("space", Text),
            ("key", Text),
            ("value", Bytes),
            ("version", Int),
            ("ttl", Int),
            ("shard", Int),
        ],
    },
    // Buckets come first: who waits for one must hold none of its keys.
    sql: "insert into keyvalue (handler_id, run, bucket, space, key, value, version, expires_at)
        select m.handler_id, m.run, r.bucket, r.space, r.key, r.value, r.version, $1 + r.ttl
        from put as r join mine as m on m.n = r.n
        where (select count(*) from touched_now) >= 0
        on conflict (handler_id, run, bucket, space, key) do update
        set value = excluded.value, version = excluded.version, expires_at = excluded.expires_at
        returning 1",
    exact: Exact::No,
};

pub(crate) static REMOVED: Table = Table {
    shape: Shape {
        name: "removed",
        columns: &[("n", Int), ("bucket", Text), ("space", Text), ("key", Text), ("shard", Int)],
    },
    sql: "delete from keyvalue as k using (
            select r.*, x.at from removed as r join mine as m on m.n = r.n
            cross join lateral (
                select t.ctid as at from keyvalue as t
                where t.handler_id = m.handler_id and t.run = m.run and t.bucket = r.bucket and t.space = r.space
                    and t.key = r.key
                offset 0
            ) as x
            where (select count(*) from touched_now) >= 0
        ) as r
        where k.ctid = r.at
        returning 1",
    exact: Exact::No,
};
