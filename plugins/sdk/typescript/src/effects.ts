// What a handler sets off. It leaves once, after the end of the event is committed; of a call that fails nothing leaves.

import * as host from "roomwire:plugin/effects@0.1.0";
import { Permanent, Retry } from "./event.ts";

/**
 * Publishes a message to a NATS subject that `allow.publish` grants, once, after the end of the event is committed; of a
 * call that fails nothing leaves.
 */
export function publish(subject: string, data: string | Uint8Array, headers: Record<string, string> = {}): void {
  set(() => host.publish({ subject, data: bytes(data), headers: Object.entries(headers) }));
}

/**
 * Has the host send a request to a URL that `allow.http` grants, after the end of the event is committed: with the same bytes
 * and the same `Idempotency-Key` until it is answered 2xx. Of a call that fails nothing leaves. For an answer, use `fetch`.
 */
export function send(
  url: string | URL,
  request: { method?: string; headers?: Record<string, string>; body?: string | Uint8Array } = {},
): void {
  const { method = "POST", headers = {}, body = "" } = request;
  set(() => host.send({ method, url: String(url), headers: Object.entries(headers), body: bytes(body) }));
}

function bytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** What is not granted, too large or too many will be so the next time, too; the rest may pass. */
function set(effect: () => void): void {
  try {
    effect();
  } catch (thrown) {
    const error = (thrown as { payload?: host.Error }).payload;
    switch (error?.tag) {
      case "denied":
        throw new Permanent(error.val);
      case "too-large":
        throw new Permanent("the message or request is larger than the host takes");
      case "quota-exceeded":
        throw new Permanent("too many effects in one call");
      case "other":
        throw new Retry(error.val);
      default:
        throw thrown;
    }
  }
}
