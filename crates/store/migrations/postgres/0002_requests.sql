-- A row of the outbox with this is a request: method, a blank, path and query. `subject` is then its scheme, host and port.
alter table outbox add column request text;
-- The key by its hash: an entry of an index has a limit that a key may be over.
create index outbox_requests on outbox (handler_id, hashtextextended(key, 0), subject, id) where request is not null;
