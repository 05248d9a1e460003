/// <reference path="../world/roomwire-plugin-effects.d.ts" />
/// <reference path="../world/roomwire-plugin-event-types.d.ts" />
/// <reference path="../world/roomwire-plugin-handler.d.ts" />
/// <reference path="../world/roomwire-plugin-livekit.d.ts" />
/// <reference path="../world/roomwire-plugin-secrets.d.ts" />
/// <reference path="../world/wasi-config-store.d.ts" />
/// <reference path="../world/wasi-keyvalue-atomics.d.ts" />
/// <reference path="../world/wasi-keyvalue-store.d.ts" />
/// <reference path="../world/wasi-logging-logging.d.ts" />
// Handlers for LiveKit events, in TypeScript. See README.md.

import * as effects from "roomwire:plugin/effects@0.1.0";
import * as store from "wasi:config/store@0.2.0-rc.1";
import * as logging from "wasi:logging/logging@0.1.0-draft";
import { type Event, type Failure, Permanent, Retry, typed } from "./event.ts";
import { located } from "./stack.ts";

export { type Event, Permanent, Retry } from "./event.ts";
export { Bucket } from "./keyvalue.ts";
export type * from "./messages.ts";

/** How a call that worked ended: see `skip`. Nothing means done. */
export type Outcome = void | { skipped: string };

/** What a handler is made of. Both functions may be async. */
export interface Handler {
  /** One event, in a fresh instance. Throw `Retry` or `Permanent` for a failure; any other error is a crash. */
  handle(event: Event): Outcome | Promise<Outcome>;
  /** Called once at deploy, with the config and no grants: an error refuses the deploy. */
  check?(): void | Promise<void>;
}

/** Settled as done, counted apart. */
export function skip(why: string): Outcome {
  return { skipped: why };
}

/** The `config` of the handler in roomwire.yaml. */
export const config = {
  /** The value of a key, if it is there. */
  get(key: string): string | undefined {
    return store.get(key);
  },
  /** The value of a key that must be there: a permanent failure, or the reason of a refused deploy. */
  require(key: string): string {
    const value = store.get(key);
    if (value === undefined) throw new Permanent(`set \`config.${key}\``);
    return value;
  },
};

/** Lines for the runner's log and the record of the attempt. `console` ends on the guest's stderr instead. */
export function logger(context: string) {
  const at = (level: logging.Level) => (message: string) => logging.log(level, context, message);
  return { trace: at("trace"), debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * Publishes a message to a NATS subject that `allow.publish` grants, once, after the end of the event is committed; of a
 * call that fails nothing leaves.
 */
export function publish(subject: string, data: string | Uint8Array, headers: Record<string, string> = {}): void {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  try {
    effects.publish({ subject, data: bytes, headers: Object.entries(headers) });
  } catch (thrown) {
    throw failed(thrown);
  }
}

/** What is not granted, too large or too many will be so the next time, too; the rest may pass. */
function failed(thrown: unknown): unknown {
  const error = (thrown as { payload?: effects.Error }).payload;
  switch (error?.tag) {
    case "denied":
      return new Permanent(error.val);
    case "too-large":
      return new Permanent("the message is larger than the host takes");
    case "quota-exceeded":
      return new Permanent("too many effects in one call");
    case "other":
      return new Retry(error.val);
    default:
      return thrown;
  }
}

/** Makes a handler the export of this component: `export const handler = defineHandler({ … })`. */
export function defineHandler(handler: Handler) {
  return {
    async handle(event: import("roomwire:plugin/event-types@0.1.0").Event) {
      try {
        const outcome = await handler.handle(typed(event));
        return outcome ? { tag: "skipped", val: outcome.skipped } : { tag: "done" };
      } catch (thrown) {
        throw result(thrown, (failure) => failure);
      }
    },
    async check() {
      try {
        await handler.check?.();
      } catch (thrown) {
        throw result(thrown, (failure) => (failure.tag === "permanent" ? failure.val : failure.val.reason));
      }
    },
  };
}

/** What to throw: the error of the WIT's result, or, of anything else, itself, after it is on stderr. */
function result<T>(thrown: unknown, of: (failure: Failure) => T): unknown {
  if (thrown instanceof Retry || thrown instanceof Permanent) return of(thrown.failure());
  console.error(located(thrown));
  return thrown;
}
