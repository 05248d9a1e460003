// A worker as one writes it by hand: takes events from JetStream, does each once, and notes that in SQLite.
//
// BATCH events are noted in one transaction: 1, or as many as one who knows what a commit costs would take.
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import Database from "better-sqlite3";

const { NATS_URL, DATABASE, SYNCHRONOUS } = process.env;
const BATCH = Number(process.env.BATCH);

const db = new Database(DATABASE);
db.pragma("journal_mode = WAL");
db.pragma(`synchronous = ${SYNCHRONOUS}`);
db.pragma("cache_size = -65536");
db.pragma("wal_autocheckpoint = 2000");
const insert = db.prepare(
  "insert into ledger (created, event_id, kind, seq, settled_at) values (?, ?, ?, ?, ?) on conflict do nothing",
);
const advance = db.prepare("update progress set done = done + ?");

// What would be the handler: it looks at the event.
const handle = (event) => (event.room?.name ?? event.participant?.identity ?? "") !== undefined;

const settle = db.transaction((messages) => {
  let done = 0;
  for (const message of messages) {
    const event = JSON.parse(message.string());
    // A repeat is known and not handled again.
    const { changes } = insert.run(Number(event.createdAt ?? 0), event.id, event.event, message.seq, Date.now());
    if (changes === 1 && handle(event)) done += 1;
  }
  advance.run(done);
});

const nc = await connect({ servers: NATS_URL });
const manager = await jetstreamManager(nc);
await manager.consumers.add("BENCH_0", {
  durable_name: "worker",
  ack_policy: AckPolicy.Explicit,
  max_ack_pending: 20_000,
});
const consumer = await jetstream(nc).consumers.get("BENCH_0", "worker");
const messages = await consumer.consume({ max_messages: 2_000 });
console.log("consuming");
let batch = [];
for await (const message of messages) {
  batch.push(message);
  if (batch.length < BATCH && message.info.pending > 0) continue;
  settle(batch);
  for (const settled of batch) settled.ack();
  batch = [];
}
