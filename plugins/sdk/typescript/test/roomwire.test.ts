// What the package makes of bodies, outcomes, errors and stacks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "../src/event.ts";
import { Bucket, config, defineHandler, type Handler, logger, Permanent, publish, Retry, skip } from "../src/index.ts";
import { located } from "../src/stack.ts";
import * as world from "./world.ts";

const event = (json = "{}") => ({
  id: "EV_1",
  kind: "room_started",
  project: "default",
  createdAt: "",
  attempt: 1,
  deadlineMs: 5000,
  json,
  attributes: [["final-attempt", "true"]] as [string, string][],
});

const caught = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
  } catch (thrown) {
    return thrown;
  }
  assert.fail("nothing was thrown");
};

test("what is newer than this package passes", () => {
  const webhook = parse(`{"event": "moon_landed", "createdAt": "1795429074", "moon": {"phase": 4},
    "participant": {"identity": "ada", "kind": "ROBOT", "state": 17, "joinedAt": 1795429074, "wings": [1]}}`);
  assert.equal(webhook.createdAt, 1795429074);
  const { kind, state, joinedAt } = webhook.participant!;
  assert.deepEqual([kind, state, joinedAt], ["ROBOT", "17", 1795429074]);
});

test("absent names mean the first of their list", () => {
  const webhook = parse(`{"participant": {}, "track": null}`);
  assert.deepEqual([webhook.participant?.kind, webhook.participant?.state], ["STANDARD", "JOINING"]);
  assert.equal(webhook.track, undefined);
});

test("nanoseconds keep every digit", () => {
  assert.equal(parse(`{"egressInfo": {"startedAt": "1795429840289930124"}}`).egressInfo?.startedAt, 1795429840289930124n);
});

test("a wrong type is a permanent failure that names the field", () => {
  for (const [body, words] of [[`{"createdAt": "soon"}`, 'createdAt is "soon"'], [`{"event": 1}`, "event is 1"], ["[]", "Webhook is no object"]]) {
    assert.throws(() => parse(body!), (error) => error instanceof Permanent && error.message.endsWith(words!));
  }
});

test("every recorded body can be read", () => {
  for (const name of ["livekit-1.11.0/meeting", "livekit-1.11.0/two-rooms-and-abort", "livekit-sender-1.54.0-all-types"]) {
    const lines = readFileSync(`../../../crates/testkit/fixtures/${name}.jsonl`, "utf8").trimEnd().split("\n");
    for (const { body } of lines.map((line) => JSON.parse(line))) {
      const [webhook, plain] = [parse(body), JSON.parse(body)];
      assert.deepEqual([webhook.id, String(webhook.createdAt)], [plain.id, plain.createdAt]);
      assert.equal(webhook.participant !== undefined, "participant" in plain);
    }
  }
});

test("what is returned or thrown is the outcome", async () => {
  const handler = (handle: Handler["handle"]) => defineHandler({ handle, check: () => void handle({} as never) });
  assert.deepEqual(await handler(() => {}).handle(event()), { tag: "done" });
  assert.deepEqual(await handler(async () => skip("why")).handle(event()), { tag: "skipped", val: "why" });
  const retry = handler(() => {
    throw new Retry("busy", 50);
  });
  assert.deepEqual(await caught(() => retry.handle(event())), { tag: "retry", val: { reason: "busy", afterMs: 50 } });
  const never = handler(() => {
    throw new Permanent("no");
  });
  assert.deepEqual(await caught(() => never.handle(event())), { tag: "permanent", val: "no" });
  assert.equal(await caught(() => never.check()), "no");
  const seen = handler((event) => assert.deepEqual([event.finalAttempt, event.attributes.get("replay")], [true, undefined]));
  await seen.handle(event());
});

test("any other error leaves its place on stderr and stays a crash", async (context) => {
  const written = context.mock.method(console, "error", () => {});
  const bug = new TypeError("bug");
  const handler = defineHandler({
    handle() {
      throw bug;
    },
  });
  assert.equal(await caught(() => handler.handle(event())), bug);
  assert.match(String(written.mock.calls[0]?.arguments[0]), /^TypeError: bug\n/);
});

test("places of the bundle become places of the sources", () => {
  const error = Object.assign(new Error("bug"), { stack: "handle@handler.js:2:7\nrun@other.js:9:1\n" });
  assert.equal(located(error, [undefined, "src/greeter.ts:14"]), "Error: bug\nhandle at src/greeter.ts:14\nrun@other.js:9:1\n");
});

test("only what may pass is tried again", () => {
  for (const [payload, kind] of [
    [{ tag: "denied", val: "no" }, Permanent],
    [{ tag: "too-large" }, Permanent],
    [{ tag: "quota-exceeded" }, Permanent],
    [{ tag: "other", val: "busy" }, Retry],
  ] as const) {
    world.answers.push(payload);
    assert.throws(() => publish("a", "b"), kind);
  }
  publish("a", "ü", { h: "v" });
  assert.deepEqual(world.published, [{ subject: "a", data: new TextEncoder().encode("ü"), headers: [["h", "v"]] }]);
});

test("config and logger speak to the host", () => {
  assert.throws(() => config.require("subject"), /set `config.subject`/);
  world.configured.set("subject", "s");
  assert.equal(config.require("subject"), "s");
  logger("greeter").warn("late");
  assert.deepEqual(world.logged, ["warn greeter late"]);
});

test("keys are set, added to, listed and removed", () => {
  world.buckets.set("usage", new Map());
  const bucket = new Bucket("usage");
  assert.deepEqual([bucket.add("n", 2), bucket.add("n", 2n)], [2n, 4n]);
  bucket.set("a", "ü");
  assert.deepEqual([bucket.text("a"), bucket.text("n"), bucket.get("x")], ["ü", "4", undefined]);
  assert.deepEqual([...bucket.keys()], ["a", "n"]);
  bucket.delete("a");
  assert.deepEqual([...bucket.keys()], ["n"]);
});

test("what the host refuses of keys is permanent", async () => {
  const denied = await caught(() => new Bucket("other"));
  assert.ok(denied instanceof Permanent);
  assert.equal(denied.message, "bucket `other` is not granted; add it to `allow.keyvalue`");
  const bucket = new Bucket("usage");
  bucket.set("n", "many");
  assert.ok((await caught(() => bucket.add("n", 1))) instanceof Permanent);
});
