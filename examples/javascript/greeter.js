// Greets everybody who joins a room, in their language, a moment after they came.

import { config, defineHandler, logger, Permanent, publish, Retry, skip } from "roomwire";

const log = logger("greeter");

export const handler = defineHandler({
  handle(event) {
    if (event.kind !== "participant_joined") return skip("nobody joined");
    const { participant, room } = event.webhook;
    if (!participant) throw new Permanent("no participant in the event");
    if (participant.kind !== "STANDARD") {
      log.debug(`${participant.identity} is no person`);
      return skip(`${participant.kind} is not greeted`);
    }
    if (!room) throw new Error("participant_joined without a room");
    const wait = delay();
    if (event.attempt === 1 && wait !== undefined) throw new Retry("the client needs a moment", wait);
    const name = participant.name || participant.identity;
    log.info(`greeting ${name} in ${room.name}, attempt ${event.attempt}`);
    publish(config.require("subject"), `${greeting(participant)}, ${name}`, {
      "event-id": event.id,
      "identity": participant.identity,
      "joined-at": String(participant.joinedAt),
    });
  },

  // Before the handler goes live: what is wrong in its config?
  check() {
    config.require("subject");
    delay();
  },
});

/**
 * `config.greeting_<language>`, where the participant's metadata names a language, else `config.greeting`.
 * @param {import("roomwire").Participant} participant
 * @returns {string}
 */
function greeting({ identity, metadata }) {
  let language;
  try {
    language = metadata && JSON.parse(metadata).language;
  } catch {
    throw new Permanent(`the metadata of ${identity} is no JSON`);
  }
  const own = language ? config.get(`greeting_${language}`) : undefined;
  return own ?? config.get("greeting") ?? "welcome";
}

/**
 * `config.delay_ms`: how long to wait before the greeting.
 * @returns {number | undefined}
 */
function delay() {
  const text = config.get("delay_ms");
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) {
    throw new Permanent(`\`config.delay_ms\` is ${JSON.stringify(text)}, which is no number of milliseconds`);
  }
  return Number(text);
}
