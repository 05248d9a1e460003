// Greets everybody who joins a room, in their language, a moment after they came.

// What sysexits.h calls EX_TEMPFAIL and EX_DATAERR; the last line of stderr is the reason.
const TRY_AGAIN = 75;
const NEVER = 65;

function handle({ id, kind, attempt, event: { participant, room } }) {
  if (kind !== "participant_joined") return emit({ skip: "nobody joined" });
  if (!participant) give(NEVER, "no participant in the event");
  const { identity, kind: who = "STANDARD", joinedAt, metadata } = participant;
  if (who !== "STANDARD") {
    console.error(`DEBUG:greeter:${identity} is no person`);
    return emit({ skip: `${who} is not greeted` });
  }
  if (!room) throw new Error("participant_joined without a room");
  const wait = delay();
  if (wait instanceof Error) give(NEVER, wait.message);
  if (attempt === 1 && wait !== undefined) {
    emit({ retry: { after_ms: wait } });
    give(TRY_AGAIN, "the client needs a moment");
  }
  const name = participant.name || identity;
  console.error(`INFO:greeter:greeting ${name} in ${room.name}, attempt ${attempt}`);
  emit({
    publish: {
      subject: env.subject,
      data: `${greeting(identity, metadata)}, ${name}`,
      headers: { "event-id": id, "identity": identity, "joined-at": String(joinedAt) },
    },
  });
}

// `config.greeting_<language>`, where the participant's metadata names a language, else `config.greeting`.
function greeting(identity, metadata) {
  let language;
  try {
    language = metadata && JSON.parse(metadata).language;
  } catch {
    give(NEVER, `the metadata of ${identity} is no JSON`);
  }
  return env[`greeting_${language}`] ?? env.greeting ?? "welcome";
}

// `config.delay_ms`: how long to wait before the greeting.
function delay() {
  const text = env.delay_ms;
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) {
    return new Error(`\`config.delay_ms\` is ${JSON.stringify(text)}, which is no number of milliseconds`);
  }
  return Number(text);
}

// Before the handler goes live: what is wrong in its config?
function check() {
  if (!env.subject) emit({ refuse: "set `config.subject`" });
  const wait = delay();
  if (wait instanceof Error) emit({ refuse: wait.message });
}

function give(code, reason) {
  console.error(reason);
  exit(code);
}

const event = JSON.parse(stdin());
if (event.kind === "roomwire.check") check();
else handle(event);
