-- A row of the outbox with this is a request: method, a blank, path and query. `subject` is then its scheme, host and port.
alter table outbox add column request text;
create index outbox_requests on outbox (handler_id, key, subject, id) where request is not null;
