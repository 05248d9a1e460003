// Keys that `allow.keyvalue` grants. See README.md.

import * as atomics from "wasi:keyvalue/atomics@0.2.0-draft2";
import * as store from "wasi:keyvalue/store@0.2.0-draft2";
import { Permanent } from "./event.ts";

/**
 * A bucket of keys. What a call changes is committed with the end of its event; of a call that fails nothing is changed.
 * Each room sees keys of its own, unless the bucket's `scope` is `shared`. What the host refuses (a bucket that is not
 * granted or is full, a key or value that is too large) is a permanent failure.
 */
export class Bucket {
  readonly #bucket: store.Bucket;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.#bucket = this.#ask(() => store.open(name));
  }

  /** The value of a key, if it is there. */
  get(key: string): Uint8Array | undefined {
    return this.#ask(() => this.#bucket.get(key));
  }

  /** The value of a key as text, if it is there. */
  text(key: string): string | undefined {
    const value = this.get(key);
    return value && new TextDecoder().decode(value);
  }

  /** Sets a key, over whatever it held. */
  set(key: string, value: string | Uint8Array): void {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    this.#ask(() => this.#bucket.set(key, bytes));
  }

  /** Removes a key; one that is not there is no error. */
  delete(key: string): void {
    this.#ask(() => this.#bucket.delete(key));
  }

  /** Adds to the decimal number in a key, 0 where it is not there, and gives the sum. */
  add(key: string, delta: number | bigint): bigint {
    return this.#ask(() => atomics.increment(this.#bucket, key, BigInt(delta)));
  }

  /** All keys, in order. */
  *keys(): Generator<string> {
    let cursor: string | undefined;
    do {
      const page = this.#ask(() => this.#bucket.listKeys(cursor));
      yield* page.keys;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  #ask<T>(call: () => T): T {
    try {
      return call();
    } catch (thrown) {
      const error = (thrown as { payload?: store.Error }).payload;
      switch (error?.tag) {
        case "no-such-store":
          throw new Permanent(`there is no bucket \`${this.#name}\``);
        case "access-denied":
          throw new Permanent(`bucket \`${this.#name}\` is not granted; add it to the handler's \`allow.keyvalue\``);
        case "other":
          throw new Permanent(error.val);
        default:
          throw thrown;
      }
    }
  }
}
