#!/usr/bin/env node
// roomwire-build SOURCE GOAL: from a TypeScript or JavaScript module that exports `handler` to a component.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";
import { bundle } from "./bundle.mjs";

const WIT = fileURLToPath(new URL("../../../wit", import.meta.url));

async function main([source, goal]) {
  if (!goal) throw new Error("usage: roomwire-build SOURCE GOAL");
  const folder = await mkdtemp(join(tmpdir(), "roomwire-"));
  try {
    const sourcePath = join(folder, "handler.js");
    await writeFile(sourcePath, await bundle(source));
    const { component } = await componentize({ sourcePath, witPath: WIT, worldName: "plugin" });
    await writeFile(goal, component);
  } finally {
    await rm(folder, { recursive: true });
  }
}

await main(process.argv.slice(2)).catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
