/// <reference path="../world/roomwire-plugin-effects.d.ts" />
/// <reference path="../world/roomwire-plugin-event-types.d.ts" />
/// <reference path="../world/roomwire-plugin-handler.d.ts" />
/// <reference path="../world/roomwire-plugin-livekit.d.ts" />
/// <reference path="../world/roomwire-plugin-secrets.d.ts" />
/// <reference path="../world/wasi-clocks-monotonic-clock.d.ts" />
/// <reference path="../world/wasi-config-store.d.ts" />
/// <reference path="../world/wasi-http-outgoing-handler.d.ts" />
/// <reference path="../world/wasi-http-types.d.ts" />
/// <reference path="../world/wasi-io-error.d.ts" />
/// <reference path="../world/wasi-io-poll.d.ts" />
/// <reference path="../world/wasi-io-streams.d.ts" />
/// <reference path="../world/wasi-keyvalue-atomics.d.ts" />
/// <reference path="../world/wasi-keyvalue-store.d.ts" />
/// <reference path="../world/wasi-logging-logging.d.ts" />
// Handlers for LiveKit events, in TypeScript. See README.md.

import * as store from "wasi:config/store@0.2.0-rc.1";
import { type Event, type Failure, Permanent, typed } from "./event.ts";
import { fetch } from "./http.ts";
import { toHost, toStderr } from "./logs.ts";
import { located } from "./stack.ts";

export { publish, send } from "./effects.ts";
export { type Event, Permanent, Retry } from "./event.ts";
export { FetchError } from "./http-error.ts";
export { Bucket } from "./keyvalue.ts";
export { livekit, LiveKitError } from "./livekit.ts";
export { logger } from "./logs.ts";
export type * from "./messages.ts";
export { secret } from "./secrets.ts";

globalThis.fetch = fetch;

/** How a call that worked ended: see `skip`. Nothing means done. */
export type Outcome = void | { skipped: string };

/** What a handler is made of. Both functions may be async. */
export interface Handler {
  /**
   * One event, in a fresh instance. Throw `Retry` or `Permanent` for a failure; those of `fetch` and `livekit` that nobody
   * caught are one or the other, and any other error is a crash.
   */
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

/** Makes a handler the export of this component: `export const handler = defineHandler({ … })`. */
export function defineHandler(handler: Handler) {
  return {
    async handle(event: import("roomwire:plugin/event-types@0.1.0").Event) {
      toHost();
      try {
        const outcome = await handler.handle(typed(event));
        return outcome ? { tag: "skipped", val: outcome.skipped } : { tag: "done" };
      } catch (thrown) {
        throw result(thrown, (failure) => failure);
      }
    },
    async check() {
      toHost();
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
  if (fails(thrown)) return of(thrown.failure());
  toStderr(located(thrown));
  return thrown;
}

function fails(thrown: unknown): thrown is { failure(): Failure } {
  return thrown instanceof Error && "failure" in thrown && typeof thrown.failure === "function";
}
