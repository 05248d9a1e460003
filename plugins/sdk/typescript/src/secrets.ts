// The secrets that the YAML grants to the handler.

import * as host from "roomwire:plugin/secrets@0.1.0";
import { Permanent } from "./event.ts";

/** A secret that the handler's `secrets` list. What cannot be had is a permanent failure. */
export function secret(name: string): string {
  try {
    return host.get(name);
  } catch (thrown) {
    const error = (thrown as { payload?: host.Error }).payload;
    switch (error?.tag) {
      case "denied":
        throw new Permanent(`the secret \`${name}\` is not granted; add it to the handler's \`secrets\``);
      case "not-found":
        throw new Permanent(`there is no secret \`${name}\`; add it to \`secrets\` at the top of the file`);
      case "other":
        throw new Permanent(`cannot read the secret \`${name}\`: ${error.val}`);
      default:
        throw thrown;
    }
  }
}
