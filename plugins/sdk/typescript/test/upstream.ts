// wasi:http for tests: an upstream that says what it was asked, a piece at a time, and refuses what is not its own.

const disposable = { [Symbol.dispose]() {} };
const refuse = (payload: unknown) => Object.assign(new Error("component error"), { payload });

export class Fields {
  readonly all: [string, Uint8Array][] = [];
  append(name: string, value: Uint8Array): void {
    if (name === "te") throw refuse({ tag: "forbidden" });
    this.all.push([name, value]);
  }
  entries = () => this.all;
  [Symbol.dispose]() {}
}

export class OutgoingRequest {
  method = { tag: "" };
  authority = "";
  path = "";
  written = 0;
  constructor(readonly fields: Fields) {}
  setMethod = (method: { tag: string }) => void (this.method = method);
  setScheme() {}
  setAuthority = (authority: string) => void (this.authority = authority);
  setPathWithQuery = (path: string) => void (this.path = path);
  body = () => ({ ...disposable, write: () => ({ ...disposable, blockingWriteAndFlush: (chunk: Uint8Array) => this.write(chunk) }) });
  write(chunk: Uint8Array): void {
    if (chunk.length > 4096) throw new Error("more than the host takes at once");
    this.written += chunk.length;
  }
}

export const OutgoingBody = { finish() {} };
export const httpErrorCode = (error: { code: unknown }) => error.code;
export const subscribeDuration = () => ({ ...disposable, ready: false });
export const poll = (pollables: { ready: boolean }[]) => pollables.flatMap(({ ready }, index) => (ready ? [index] : []));

/** A thing of the host that is ready, or never is. */
const subscribe = (ready: boolean) => () => ({ ...disposable, ready });

export function handle(request: OutgoingRequest) {
  const { authority, path, fields, method } = request;
  const future = (val: unknown) => ({ ...disposable, subscribe: subscribe(authority !== "silent"), get: () => ({ tag: "ok", val }) });
  if (authority === "denied") return future({ tag: "err", val: { tag: "HTTP-request-denied" } });
  if (authority === "gone") return future({ tag: "err", val: { tag: "connection-refused" } });
  const pieces: (() => Uint8Array)[] = [];
  const stream = {
    ...disposable,
    subscribe: subscribe(true),
    read() {
      const piece = pieces.shift();
      if (piece) return piece();
      throw refuse(authority === "short" ? { tag: "last-operation-failed", val: { ...disposable, code: { tag: "HTTP-response-incomplete" } } } : { tag: "closed" });
    },
  };
  const answer = new Fields();
  answer.append("x-asked", new TextEncoder().encode(path));
  const val = {
    ...disposable,
    status: () => (path === "/nothing" ? 204 : 200),
    headers: () => answer,
    consume: () => ({ ...disposable, stream: () => stream }),
  };
  const said = () => `${method.tag} ${fields.all.map(([name]) => name)} ${request.written} ü`;
  if (path !== "/nothing") pieces.push(() => new Uint8Array(), () => new TextEncoder().encode(said()));
  return future({ tag: "ok", val });
}
