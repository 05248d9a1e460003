// A host for tests: what the modules of the plugin's interfaces export, as far as the package uses them.

export const configured = new Map<string, string>();
export const published: unknown[] = [];
export const logged: string[] = [];
export const answers: unknown[] = [];

export const get = (key: string) => configured.get(key);
export const log = (level: string, context: string, message: string) => logged.push(`${level} ${context} ${message}`);

export function publish(message: unknown): void {
  const payload = answers.pop();
  if (payload) throw Object.assign(new Error("component error"), { payload });
  published.push(message);
}

export const sent: unknown[] = [];

export function send(request: unknown): void {
  sent.push(request);
}

/** What LiveKit answers, or how it refuses. */
export function call(service: string, method: string, request: string): string {
  const payload = answers.pop();
  if (payload) throw Object.assign(new Error("component error"), { payload });
  return JSON.stringify({ called: `${service}/${method}`, request: JSON.parse(request) });
}

export const buckets = new Map<string, Map<string, Uint8Array>>();

const refused = (payload: unknown) => Object.assign(new Error("component error"), { payload });

/** A bucket of the host; its pages have one key. */
export function open(name: string) {
  const keys = buckets.get(name);
  if (!keys) throw refused({ tag: "access-denied" });
  return {
    keys,
    get: (key: string) => keys.get(key),
    set: (key: string, value: Uint8Array) => void keys.set(key, value),
    delete: (key: string) => void keys.delete(key),
    listKeys(cursor = "") {
      const after = [...keys.keys()].filter((key) => key > cursor).sort();
      return { keys: after.slice(0, 1), cursor: after.length > 1 ? after[0] : undefined };
    },
  };
}

export function increment(bucket: ReturnType<typeof open>, key: string, delta: bigint): bigint {
  const text = new TextDecoder().decode(bucket.keys.get(key) ?? new TextEncoder().encode("0"));
  if (!/^-?\d+$/.test(text)) throw refused({ tag: "other", val: "no number" });
  bucket.keys.set(key, new TextEncoder().encode(`${BigInt(text) + delta}`));
  return BigInt(text) + delta;
}
