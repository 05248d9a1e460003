// Uses each capability of the host once, by the event's type: what must come of it is in e2e/conformance/roll-call.json.

import { Bucket, config, defineHandler, livekit, Permanent, publish, Retry, secret, send, skip } from "roomwire";

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

/** @param {import("roomwire").Event} event */
function joined({ room, participant: identity = "" }) {
  console.info("%s joined", identity);
  const bucket = new Bucket(config.require("bucket"));
  const joined = Number(bucket.add("joined", 1));
  bucket.set("last", identity);
  tell({ room, identity, joined });
}

/** @param {import("roomwire").Event} event */
function left({ room }) {
  const bucket = new Bucket(config.require("bucket"));
  const last = bucket.text("last") ?? null;
  bucket.delete("last");
  tell({ room, last, keys: [...bucket.keys()].sort() });
}

/** @param {import("roomwire").Event} event */
async function ask({ id, room = "" }) {
  const url = `${config.require("endpoint")}/rooms/${encodeURIComponent(room)}`;
  const answer = await fetch(url, { headers: { "x-event-id": id } });
  if (answer.status === 404) throw new Permanent(`upstream does not know ${room}`);
  if (!answer.ok) throw new Retry(`upstream answered ${answer.status}`);
  publish(config.require("subject"), await answer.text());
}

/** @param {import("roomwire").Event} event */
function sendOn({ room = "", json }) {
  send(`${config.require("endpoint")}/finished`, { headers: { "x-room": room }, body: json });
}

/** @param {import("roomwire").Event} event */
async function postWithSecret({ webhook }) {
  const answer = await fetch(`${config.require("endpoint")}/tracks`, {
    method: "POST",
    headers: { "authorization": `Bearer ${secret("TOKEN")}`, "content-type": "application/json" },
    body: JSON.stringify({ sid: webhook.track?.sid }),
  });
  if (!answer.ok) throw new Retry(`upstream answered ${answer.status}`);
}

function listRooms() {
  /** @type {{ rooms: { name: string }[] }} */
  const { rooms } = livekit("RoomService", "ListRooms");
  tell({ rooms: rooms.map(({ name }) => name) });
}

/** @param {import("roomwire").Event} event */
function one(event) {
  two(event);
}

/** @param {import("roomwire").Event} event */
function two(event) {
  three(event);
}

/** @param {import("roomwire").Event} event */
function three({ kind }) {
  throw new Error(`three calls deep in ${kind}`);
}

/** @param {object} what */
function tell(what) {
  publish(config.require("subject"), JSON.stringify(what));
}
