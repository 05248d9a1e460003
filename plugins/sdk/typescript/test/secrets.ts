// The secrets of the host for tests.

export function get(name: string): string {
  if (name === "TOKEN") return "s3cret";
  throw Object.assign(new Error("component error"), { payload: { tag: "denied" } });
}
