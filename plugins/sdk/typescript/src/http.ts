// `fetch` over wasi:http, in place of the engine's own, which keeps to itself why a request has no answer.

import { handle } from "wasi:http/outgoing-handler@0.2.12";
import * as http from "wasi:http/types@0.2.12";
import { FetchError, type To } from "./http-error.ts";
import { ready } from "./wait.ts";

/** Bytes of one write to a body: what `blocking-write-and-flush` takes. */
const WRITE = 4096;
/** Bytes of one read of a body. */
const READ = 65536n;
/** Answers that cannot have a body. */
const EMPTY = [204, 205, 304];
const SCHEMES: Record<string, http.Scheme> = { "http:": { tag: "HTTP" }, "https:": { tag: "HTTPS" } };

/** As in browsers, but that redirects are answers and that the whole answer is read first. It fails with `FetchError`. */
export async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const url = new URL(request.url);
  const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined) ?? undefined;
  const to = { method: request.method, origin: `${url.protocol}//${url.host}` };
  const scheme = SCHEMES[url.protocol];
  if (!scheme) throw new FetchError(to, "the URL does not start with `http://` or `https://`", true);
  if (url.username || url.password) throw new FetchError(to, "the URL has a user or a password; set the header `authorization`", true);
  const body = new Uint8Array(await request.arrayBuffer());
  signal?.throwIfAborted();
  using future = begin(to, scheme, url, request.headers, body);
  await ready(future.subscribe(), signal);
  const found = future.get();
  if (found?.tag !== "ok") throw new FetchError(to, "no answer");
  if (found.val.tag === "err") throw FetchError.of(to, found.val.val);
  const answer = await read(to, found.val.val, signal);
  return Object.defineProperty(answer, "url", { value: url.href.split("#")[0] });
}

function begin(to: To, scheme: http.Scheme, url: URL, headers: Headers, body: Uint8Array): http.FutureIncomingResponse {
  const encoder = new TextEncoder();
  const fields = new http.Fields();
  for (const [name, value] of headers) {
    refused(to, `header \`${name}\``, () => fields.append(name, encoder.encode(value)));
  }
  const outgoing = new http.OutgoingRequest(fields);
  refused(to, "the method", () => outgoing.setMethod(method(to.method)));
  refused(to, "the scheme", () => outgoing.setScheme(scheme));
  refused(to, "the host", () => outgoing.setAuthority(url.host));
  refused(to, "the path", () => outgoing.setPathWithQuery(url.pathname + url.search));
  const content = outgoing.body();
  let future;
  try {
    future = handle(outgoing, undefined);
  } catch (thrown) {
    const code = (thrown as { payload?: http.ErrorCode }).payload;
    throw code ? FetchError.of(to, code) : thrown;
  }
  write(content, body);
  return future;
}

/** Where the host takes no such thing, another attempt does not mend it. */
function refused(to: To, what: string, set: () => void): void {
  try {
    set();
  } catch (thrown) {
    if (!isAnswer(thrown)) throw thrown;
    throw new FetchError(to, `${what} is not allowed`, true);
  }
}

/** Whether it is the error of a call's result, and no trouble of the engine. */
function isAnswer(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && "payload" in thrown;
}

function method(name: string): http.Method {
  const tag = name.toLowerCase();
  const known = ["get", "head", "post", "put", "delete", "options", "patch"].includes(tag);
  return known ? ({ tag } as http.Method) : { tag: "other", val: name };
}

/** What is wrong with the body is said by the answer. */
function write(content: http.OutgoingBody, body: Uint8Array): void {
  try {
    {
      using stream = content.write();
      for (let at = 0; at < body.length; at += WRITE) stream.blockingWriteAndFlush(body.subarray(at, at + WRITE));
    }
    http.OutgoingBody.finish(content, undefined);
  } catch (thrown) {
    if (!isAnswer(thrown)) throw thrown;
    content[Symbol.dispose]();
  }
}

async function read(to: To, answer: http.IncomingResponse, signal?: AbortSignal): Promise<Response> {
  using head = answer;
  const status = head.status();
  const headers = new Headers();
  const decoder = new TextDecoder();
  {
    using fields = head.headers();
    for (const [name, value] of fields.entries()) headers.append(name, decoder.decode(value));
  }
  const chunks: Uint8Array[] = [];
  {
    using content = head.consume();
    using stream = content.stream();
    for (let chunk; (chunk = next(to, stream)); ) {
      if (chunk.length > 0) chunks.push(chunk);
      else await ready(stream.subscribe(), signal);
    }
  }
  return new Response(EMPTY.includes(status) ? null : new Blob(chunks as BlobPart[]), { status, headers });
}

/** What is there of a body; nothing at its end. */
function next(to: To, stream: import("wasi:io/streams@0.2.12").InputStream): Uint8Array | undefined {
  try {
    return stream.read(READ);
  } catch (thrown) {
    const error = (thrown as { payload?: import("wasi:io/streams@0.2.12").StreamError }).payload;
    if (error?.tag === "closed") return undefined;
    if (error?.tag !== "last-operation-failed") throw thrown;
    using cause = error.val;
    const code = http.httpErrorCode(cause);
    throw code ? FetchError.of(to, code) : new FetchError(to, "the answer ended early");
  }
}
