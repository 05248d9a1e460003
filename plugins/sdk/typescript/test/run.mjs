// Bundles the tests with a host of their own in place of the plugin's interfaces, and runs them.

import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const interfaces = [
  "roomwire:plugin/effects@0.1.0",
  "wasi:config/store@0.2.0-rc.1",
  "wasi:keyvalue/atomics@0.2.0-draft2",
  "wasi:keyvalue/store@0.2.0-draft2",
  "wasi:logging/logging@0.1.0-draft",
];
const host = {
  name: "host",
  setup(build) {
    build.onResolve({ filter: /^(roomwire|wasi):/ }, async ({ path, resolveDir }) =>
      interfaces.includes(path) ? build.resolve("./test/world.ts", { kind: "import-statement", resolveDir: "." }) : undefined,
    );
  },
};
await build({
  entryPoints: ["test/roomwire.test.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  outfile: "node_modules/.cache/roomwire.test.mjs",
  sourcemap: "inline",
  plugins: [host],
});
process.exitCode = spawnSync(process.execPath, ["--enable-source-maps", "--test", "node_modules/.cache/roomwire.test.mjs"], { stdio: "inherit" }).status ?? 1;
