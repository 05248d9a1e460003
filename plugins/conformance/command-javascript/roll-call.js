// Uses each capability that a command has once, by the event's type: what must come of it is in
// e2e/conformance/roll-call.json. Of what it lacks it says so.

function handle(event) {
  switch (event.kind) {
    case "participant_joined": return joined(event);
    case "participant_left": return left(event);
    case "room_started": return emit({ permanent: "it lacks http" });
    case "room_finished": return send("/finished", { "x-room": event.room }, event.raw);
    case "track_published": {
      const headers = { "authorization": `Bearer ${env.TOKEN}`, "content-type": "application/json" };
      return send("/tracks", headers, JSON.stringify({ sid: event.event.track.sid }));
    }
    case "track_unpublished": return emit({ send: { method: "GET", url: "http://not-granted.invalid/" } });
    case "egress_started": return emit({ permanent: "it lacks livekit" });
    case "egress_ended": return one(event);
    case "ingress_ended": return emit({ kv: { bucket: "not-granted", key: "last", delete: true } });
    default: return emit({ skip: "not on the roll" });
  }
}

function joined({ room, participant, kv }) {
  console.error(`INFO:roll-call:${participant} joined`);
  const joined = Number(kv[env.bucket].joined ?? 0) + 1;
  emit({ kv: { bucket: env.bucket, key: "joined", add: 1 } });
  emit({ kv: { bucket: env.bucket, key: "last", set: participant } });
  tell({ room, identity: participant, joined });
}

function left({ room, kv }) {
  const { last, ...others } = kv[env.bucket];
  emit({ kv: { bucket: env.bucket, key: "last", delete: true } });
  tell({ room, last, keys: Object.keys(others).filter((key) => others[key] !== null).sort() });
}

function one(event) {
  two(event);
}

function two(event) {
  three(event);
}

function three({ kind }) {
  throw new Error(`three calls deep in ${kind}`);
}

function send(path, headers, body) {
  emit({ send: { method: "POST", url: env.endpoint + path, headers, body } });
}

function tell(what) {
  emit({ publish: { subject: env.subject, data: JSON.stringify(what) } });
}

handle(JSON.parse(stdin()));
