-- Events that wait for JetStream, in the order in which they were accepted.
create table spooled (
    id integer primary key autoincrement,
    -- project and ordering key: what is ordered
    lane text not null,
    msg_id text not null unique,
    received_at integer not null,
    size integer not null,
    -- a JSON array of [name, value]
    headers text not null,
    body blob not null
) strict;

create index spooled_lanes on spooled (lane, size);

pragma user_version = 1;
