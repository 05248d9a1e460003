// types.mjs WIT.wasm FOLDER: the declarations of the plugin's interfaces, from the WIT as a binary.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { $init, generateTypes } from "./node_modules/@bytecodealliance/jco-transpile/vendor/js-component-bindgen-component.js";

const OURS =
  /^interfaces\/(roomwire-plugin|wasi-config|wasi-keyvalue|wasi-logging|wasi-http-(outgoing-handler|types)|wasi-io|wasi-clocks-monotonic)/;

const [wit, folder] = process.argv.slice(2);
await $init;
const options = { wit: { tag: "binary", val: await readFile(wit) }, world: "plugin", guest: true, tlaCompat: false };
await mkdir(folder, { recursive: true });
for (const [name, text] of generateTypes("plugin", { ...options, features: { tag: "list", val: [] } })) {
  if (OURS.test(name)) await writeFile(join(folder, name.slice("interfaces/".length)), text);
}
