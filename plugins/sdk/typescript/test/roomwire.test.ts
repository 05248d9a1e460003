// What the package makes of bodies, outcomes, errors and stacks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "../src/event.ts";
import {
  Bucket, config, defineHandler, FetchError, type Handler, livekit, LiveKitError, logger, Permanent, publish, Retry, secret, send, skip,
} from "../src/index.ts";
import { toHost } from "../src/logs.ts";
import { located } from "../src/stack.ts";
import * as world from "./world.ts";

// What the package finds as the engine's `console` at the first event.
const written: string[] = [];
console.error = (line: string) => void written.push(line);

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

test("any other error leaves its place on stderr and stays a crash", async () => {
  const bug = new TypeError("bug");
  const handler = defineHandler({
    handle() {
      throw bug;
    },
  });
  assert.equal(await caught(() => handler.handle(event())), bug);
  assert.match(written[0]!, /^TypeError: bug\n/);
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
  assert.equal(denied.message, "bucket `other` is not granted; add it to the handler's `allow.keyvalue`");
  const bucket = new Bucket("usage");
  bucket.set("n", "many");
  assert.ok((await caught(() => bucket.add("n", 1))) instanceof Permanent);
});

test("a request that is sent later has a method and bytes", () => {
  send("http://a/b", { headers: { x: "1" }, body: "ü" });
  send(new URL("http://a/c"), { method: "PUT" });
  assert.deepEqual(world.sent, [
    { method: "POST", url: "http://a/b", headers: [["x", "1"]], body: new TextEncoder().encode("ü") },
    { method: "PUT", url: "http://a/c", headers: [], body: new Uint8Array() },
  ]);
});

test("a secret that is not granted is permanent and says what to do", () => {
  assert.equal(secret("TOKEN"), "s3cret");
  assert.throws(() => secret("OTHER"), (error) => error instanceof Permanent && error.message.includes("add it to the handler's `secrets`"));
});

test("LiveKit is asked in JSON, and of its refusals only what may pass is tried again", async () => {
  assert.deepEqual(livekit("RoomService", "ListRooms"), { called: "RoomService/ListRooms", request: {} });
  for (const [payload, tag, text] of [
    [{ tag: "denied", val: "not granted" }, "permanent", "not granted"],
    [{ tag: "twirp", val: ["not_found", "no room"] }, "permanent", "A/B: no room (not_found)"],
    [{ tag: "twirp", val: ["unavailable", "busy"] }, "retry", "A/B: busy (unavailable)"],
    [{ tag: "unavailable", val: "502" }, "retry", "A/B: 502"],
    [{ tag: "other", val: "no JSON" }, "permanent", "A/B: no JSON"],
  ] as const) {
    world.answers.push(payload);
    const thrown = await caught(() => livekit("A", "B"));
    assert.ok(thrown instanceof LiveKitError);
    assert.deepEqual([thrown.message, thrown.failure().tag], [text, tag]);
  }
});

test("an answer of fetch is read whole", async () => {
  const answer = await fetch("http://up/a b?c=d#e", { method: "POST", headers: { x: "1" }, body: "x".repeat(9000) });
  assert.deepEqual([answer.status, answer.headers.get("x-asked"), answer.url], [200, "/a%20b?c=d", "http://up/a%20b?c=d"]);
  assert.equal(await answer.text(), "post content-type,x 9000 ü");
  const nothing = await fetch(new Request("http://up/nothing"));
  assert.deepEqual([nothing.status, await nothing.text()], [204, ""]);
});

test("a request without an answer says why, and whether another attempt may help", async () => {
  for (const [url, permanent, text] of [
    ["http://denied/x", true, "GET http://denied: http://denied is not granted; add it to the handler's `allow.http`"],
    ["http://gone/x", false, "GET http://gone: connection refused"],
    ["http://short/nothing", false, "GET http://short: http response incomplete"],
    ["ftp://a/", true, "GET ftp://a: the URL does not start with `http://` or `https://`"],
  ] as const) {
    const thrown = await caught(() => fetch(url));
    assert.ok(thrown instanceof FetchError && thrown instanceof TypeError);
    assert.deepEqual([thrown.message, thrown.permanent], [text, permanent]);
  }
  const forbidden = await caught(() => fetch("http://up/", { headers: { te: "x" } }));
  assert.ok(forbidden instanceof FetchError && forbidden.message.endsWith("header `te` is not allowed"));
  const asked = defineHandler({ handle: async () => void (await fetch("http://gone/")) });
  assert.deepEqual(await caught(() => asked.handle(event())), { tag: "retry", val: { reason: "GET http://gone: connection refused", afterMs: undefined } });
});

test("who waits for an answer lets others go on, and can be stopped", async () => {
  const controller = new AbortController();
  const silent = caught(() => fetch("http://silent/", { signal: controller.signal }));
  assert.equal((await fetch("http://up/nothing")).status, 204);
  setTimeout(() => controller.abort("enough"), 1);
  assert.equal(await silent, "enough");
});

test("lines of console go to the host", () => {
  toHost();
  const before = world.logged.length;
  console.log("%s is %d%%", "ü", 5, { a: 1n }, [2]);
  console.error(new RangeError("far"));
  assert.equal(world.logged[before], 'info console ü is 5% {"a":"1"} [2]');
  assert.match(world.logged[before + 1]!, /^error console RangeError: far\n/);
});
