// Waiting for the host without keeping what else is going on from it: other requests, and timers.

import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.12";
import { poll, type Pollable } from "wasi:io/poll@0.2.12";

/** Nanoseconds after which timers have their turn. */
const TURN = 10_000_000n;

interface Waiting {
  readonly pollable: Pollable;
  readonly resolve: () => void;
}

let waiting: Waiting[] = [];

/** Waits until it is ready, and drops it. Who aborts waits no longer. */
export function ready(pollable: Pollable, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const entry = { pollable, resolve: end(resolve) };
    const abort = end(() => reject(signal!.reason));
    function end(then: () => void) {
      return () => {
        waiting = waiting.filter((other) => other !== entry);
        signal?.removeEventListener("abort", abort);
        pollable[Symbol.dispose]();
        then();
      };
    }
    signal?.addEventListener("abort", abort);
    if (waiting.push(entry) === 1) setTimeout(turn, 0);
  });
}

function turn(): void {
  if (waiting.length === 0) return;
  const all = waiting;
  {
    using clock = subscribeDuration(TURN);
    const found = poll([...all.map(({ pollable }) => pollable), clock]);
    var done = [...found].map((index) => all[index]).filter((entry) => entry !== undefined);
  }
  for (const { resolve } of done) resolve();
  if (waiting.length > 0) setTimeout(turn, 0);
}
