// Errors with the author's files and lines: what runs is a bundle, whose lines the build lists at its end.

/** For each line of the bundle, the source and line that it came from. */
type Lines = readonly (string | undefined)[];

/** The message and stack of what was thrown, with places in the sources. */
export function located(thrown: unknown, lines = (globalThis as { ROOMWIRE_LINES?: Lines }).ROOMWIRE_LINES): string {
  if (!(thrown instanceof Error)) return `thrown: ${String(thrown)}`;
  const stack = (thrown.stack ?? "").replace(/@?[^\s@()]*?:(\d+):\d+/g, (whole, line: string) => {
    const place = lines?.[Number(line) - 1];
    return place === undefined ? whole : ` at ${place}`;
  });
  return `${thrown.name}: ${thrown.message}\n${stack}`;
}
