// The author's module and all that it imports as one file, which ends with a list of where its lines came from.

import { SourceMap } from "node:module";
import { relative, resolve } from "node:path";
import { build } from "esbuild";

/** The bundle, and behind its last line the list of where its lines came from. */
export async function bundle(source) {
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    charset: "utf8",
    mainFields: ["module", "main"],
    external: ["wasi:*", "roomwire:*"],
    sourcemap: "external",
    outfile: "handler.js",
    logLevel: "warning",
  });
  const file = (end) => outputFiles.find((found) => found.path.endsWith(end)).text;
  const [code, map] = [file(".js"), new SourceMap(JSON.parse(file(".map")))];
  const lines = code.split("\n").map((text, line) => {
    const found = map.findEntry(line, text.length);
    return found.originalSource && `${relative(".", resolve(found.originalSource))}:${found.originalLine + 1}`;
  });
  return `${code}\nglobalThis.ROOMWIRE_LINES = ${JSON.stringify(lines)};\n`;
}
