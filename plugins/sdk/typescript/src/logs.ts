// Lines for the runner's log and the record of the attempt: of loggers, and of `console`.

import * as logging from "wasi:logging/logging@0.1.0-draft";
import { located } from "./stack.ts";

/** Lines with this context. */
export function logger(context: string) {
  const at = (level: logging.Level) => (message: string) => logging.log(level, context, message);
  return { trace: at("trace"), debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** The engine's own function. */
let stderr: typeof console.error | undefined;

/** A line on the guest's stderr, which is in the record of a crash. */
export function toStderr(line: string): void {
  (stderr ?? console.error).call(console, line);
}

/** Directs `console` to the host. Not before an event: while the component is built there is no host. */
export function toHost(): void {
  stderr ??= console.error;
  const { trace, debug, info, warn, error } = logger("console");
  const of = (log: (message: string) => void) => (...values: unknown[]) => log(line(values));
  Object.assign(console, { trace: of(trace), debug: of(debug), log: of(info), info: of(info), warn: of(warn), error: of(error) });
}

/** What `console` makes of its arguments: the placeholders of the first are filled in, the rest follows. */
function line([first, ...rest]: unknown[]): string {
  if (typeof first !== "string") return [first, ...rest].map(shown).join(" ");
  const text = first.replace(/%[sdifjoOc%]/g, (placeholder) => {
    if (placeholder === "%%") return "%";
    if (rest.length === 0) return placeholder;
    const value = rest.shift();
    if (placeholder === "%c") return "";
    if (placeholder === "%i") return String(Math.trunc(Number(value)));
    return placeholder === "%d" || placeholder === "%f" ? String(Number(value)) : shown(value);
  });
  return [text, ...rest.map(shown)].join(" ");
}

/** A value as text; one that is no text as JSON, if that can be. */
function shown(value: unknown): string {
  if (value instanceof Error) return located(value).trimEnd();
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
  } catch {
    return String(value);
  }
}
