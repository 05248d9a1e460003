// Bundles the tests with a host of their own in place of the plugin's interfaces, and runs them.

import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const world = "./test/world.ts";
const upstream = "./test/upstream.ts";
const interfaces = {
  "roomwire:plugin/effects@0.1.0": world,
  "roomwire:plugin/livekit@0.1.0": world,
  "roomwire:plugin/secrets@0.1.0": "./test/secrets.ts",
  "wasi:clocks/monotonic-clock@0.2.12": upstream,
  "wasi:config/store@0.2.0-rc.1": world,
  "wasi:http/outgoing-handler@0.2.12": upstream,
  "wasi:http/types@0.2.12": upstream,
  "wasi:io/poll@0.2.12": upstream,
  "wasi:keyvalue/atomics@0.2.0-draft2": world,
  "wasi:keyvalue/store@0.2.0-draft2": world,
  "wasi:logging/logging@0.1.0-draft": world,
};
const host = {
  name: "host",
  setup(build) {
    build.onResolve({ filter: /^(roomwire|wasi):/ }, async ({ path, resolveDir }) =>
      path in interfaces ? build.resolve(interfaces[path], { kind: "import-statement", resolveDir: "." }) : undefined,
    );
  },
};
await build({
  entryPoints: ["test/roomwire.test.ts"],
  bundle: true,
  platform: "node",
  target: "es2022",
  format: "esm",
  outfile: "node_modules/.cache/roomwire.test.mjs",
  sourcemap: "inline",
  plugins: [host],
});
process.exitCode = spawnSync(process.execPath, ["--enable-source-maps", "--test", "node_modules/.cache/roomwire.test.mjs"], { stdio: "inherit" }).status ?? 1;
