// Uses each capability of the host once, by the event's type: what must come of it is in e2e/conformance/roll-call.json.

import { Bucket, config, defineHandler, type Event, livekit, Permanent, publish, Retry, secret, send, skip } from "roomwire";

export const handler = defineHandler({
  async handle(event) {
    switch (event.kind) {
      case "participant_joined":
        return joined(event);
      case "participant_left":
        return left(event);
      case "room_started":
        return ask(event);
      case "room_finished":
        return sendOn(event);
      case "track_published":
        return postWithSecret(event);
      case "track_unpublished":
        await fetch("http://not-granted.invalid/");
        return;
      case "egress_started":
        return listRooms();
      case "egress_ended":
        return one(event);
      case "ingress_ended":
        new Bucket("not-granted").get("last");
        return;
      default:
        return skip("not on the roll");
    }
  },
});

function joined({ room, participant: identity = "" }: Event): void {
  console.info("%s joined", identity);
  const bucket = new Bucket(config.require("bucket"));
  const joined = Number(bucket.add("joined", 1));
  bucket.set("last", identity);
  tell({ room, identity, joined });
}

function left({ room }: Event): void {
  const bucket = new Bucket(config.require("bucket"));
  const last = bucket.text("last") ?? null;
  bucket.delete("last");
  tell({ room, last, keys: [...bucket.keys()].sort() });
}

async function ask({ id, room = "" }: Event): Promise<void> {
  const url = `${config.require("endpoint")}/rooms/${encodeURIComponent(room)}`;
  const answer = await fetch(url, { headers: { "x-event-id": id } });
  if (answer.status === 404) throw new Permanent(`upstream does not know ${room}`);
  if (!answer.ok) throw new Retry(`upstream answered ${answer.status}`);
  publish(config.require("subject"), await answer.text());
}

function sendOn({ room = "", json }: Event): void {
  send(`${config.require("endpoint")}/finished`, { headers: { "x-room": room }, body: json });
}

async function postWithSecret({ webhook }: Event): Promise<void> {
  const answer = await fetch(`${config.require("endpoint")}/tracks`, {
    method: "POST",
    headers: { "authorization": `Bearer ${secret("TOKEN")}`, "content-type": "application/json" },
    body: JSON.stringify({ sid: webhook.track?.sid }),
  });
  if (!answer.ok) throw new Retry(`upstream answered ${answer.status}`);
}

function listRooms(): void {
  const { rooms } = livekit<{ rooms: { name: string }[] }>("RoomService", "ListRooms");
  tell({ rooms: rooms.map(({ name }) => name) });
}

function one(event: Event): void {
  two(event);
}

function two(event: Event): void {
  three(event);
}

function three({ kind }: Event): never {
  throw new Error(`three calls deep in ${kind}`);
}

function tell(what: object): void {
  publish(config.require("subject"), JSON.stringify(what));
}
