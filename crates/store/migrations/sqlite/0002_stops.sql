-- Times in which nothing was tried of a handler: its breaker was open, or an operator has paused it.
create table stops (
    handler_id integer not null,
    run        text    not null,
    began      integer not null,
    ended      integer,          -- null: it is paused
    primary key (handler_id, run, began)
) strict, without rowid;
