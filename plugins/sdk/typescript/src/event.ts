// The event, typed, and how a call fails.

import { FIELDS, type Webhook } from "./messages.ts";

type Raw = import("roomwire:plugin/event-types@0.1.0").Event;
export type Failure = import("roomwire:plugin/event-types@0.1.0").Failure;

/** One event: the fields of the plugin contract, and the webhook's body. */
export interface Event extends Omit<Raw, "attributes"> {
  /** The body, typed. What is newer than this package passes: unknown names stay text, unknown fields are in `json`. */
  readonly webhook: Webhook;
  /** The attributes by name, e.g. `ordering-key`. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Whether the event is a dead letter if this attempt fails. */
  readonly finalAttempt: boolean;
}

/** Try again later: by the handler's `retry` policy, or after so many milliseconds. */
export class Retry extends Error {
  constructor(reason: string, readonly afterMs?: number) {
    super(reason);
  }
  failure(): Failure {
    return { tag: "retry", val: { reason: this.message, afterMs: this.afterMs } };
  }
}

/** Never try again: a dead letter at once. */
export class Permanent extends Error {
  failure(): Failure {
    return { tag: "permanent", val: this.message };
  }
}

/** The event as handlers see it. */
export function typed(raw: Raw): Event {
  const attributes = new Map(raw.attributes);
  let webhook: Webhook | undefined;
  return {
    ...raw,
    attributes,
    finalAttempt: attributes.get("final-attempt") === "true",
    get webhook() {
      return (webhook ??= parse(raw.json));
    },
  };
}

/** Reads the body of a webhook; a field of another type than LiveKit documents is a permanent failure. */
export function parse(json: string): Webhook {
  try {
    return message("Webhook", JSON.parse(json)) as unknown as Webhook;
  } catch (error) {
    throw new Permanent(`cannot read the webhook's body: ${(error as Error).message}`);
  }
}

function message(kind: string, found: unknown): Record<string, unknown> {
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error(`${kind} is no object`);
  const values = found as Record<string, unknown>;
  const made: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(FIELDS[kind]!)) {
    made[name] = type.startsWith("[]")
      ? list(name, values[name]).map((item) => message(type.slice(2), item))
      : field(name, type, values[name] ?? undefined);
  }
  return made;
}

function list(name: string, value: unknown): unknown[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) throw new Error(`${name} is no list`);
  return value ?? [];
}

function field(name: string, type: string, value: unknown): unknown {
  const wrong = () => new Error(`${name} is ${JSON.stringify(value)}`);
  if (type.startsWith("=")) {
    if (value === undefined) return type.slice(1);
    if (typeof value !== "string" && typeof value !== "number") throw wrong();
    return String(value);
  }
  switch (type) {
    case "text":
      if (value !== undefined && typeof value !== "string") throw wrong();
      return value ?? "";
    case "bool":
      if (value !== undefined && typeof value !== "boolean") throw wrong();
      return value ?? false;
    case "int":
    case "long": {
      const number = Number(value ?? 0);
      if (!Number.isInteger(number) || value === "") throw wrong();
      return number;
    }
    case "nanos":
      // Larger than a number can hold exactly.
      return BigInt((value as string | number | undefined) ?? 0);
    case "map":
      if (value !== undefined && typeof value !== "object") throw wrong();
      return { ...(value as Record<string, string> | undefined) };
    default:
      return value === undefined ? undefined : message(type, value);
  }
}
