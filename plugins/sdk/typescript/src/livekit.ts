// LiveKit's server API, as far as `allow.livekit` grants it. The host signs: the API secret never enters a handler.

import * as host from "roomwire:plugin/livekit@0.1.0";
import type { Failure } from "./event.ts";

/** The refusals that may be over soon. */
const PASSING = ["unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown"];

/** A call that came to nothing. Where nobody catches it, it is a failure of the event: another attempt, if that may mend it. */
export class LiveKitError extends Error {
  constructor(
    message: string,
    /** Whether another attempt would end in the same way. */
    readonly permanent: boolean,
    /** Twirp's word for why LiveKit refused the call, such as `not_found`. */
    readonly code?: string,
  ) {
    super(message);
    this.name = "LiveKitError";
  }

  failure(): Failure {
    if (this.permanent) return { tag: "permanent", val: this.message };
    return { tag: "retry", val: { reason: this.message, afterMs: undefined } };
  }
}

/**
 * Calls a method, such as `livekit("RoomService", "RemoveParticipant", { room, identity })`, and gives the answer. Both are
 * JSON in protobuf's mapping.
 */
export function livekit<Answer = any>(service: string, method: string, request: object = {}): Answer {
  const name = `${service}/${method}`;
  let answer: string;
  try {
    answer = host.call(service, method, JSON.stringify(request));
  } catch (thrown) {
    throw failed(name, (thrown as { payload?: host.Error }).payload) ?? thrown;
  }
  try {
    return JSON.parse(answer) as Answer;
  } catch (error) {
    throw new LiveKitError(`${name}: cannot read the answer: ${(error as Error).message}`, true);
  }
}

function failed(name: string, error?: host.Error): LiveKitError | undefined {
  switch (error?.tag) {
    case "denied":
      return new LiveKitError(error.val, true);
    case "twirp": {
      const [code, message] = error.val;
      return new LiveKitError(`${name}: ${message} (${code})`, !PASSING.includes(code), code);
    }
    case "unavailable":
      return new LiveKitError(`${name}: ${error.val}`, false);
    case "other":
      return new LiveKitError(`${name}: ${error.val}`, true);
    default:
      return undefined;
  }
}
