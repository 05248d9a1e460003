// Why there is no answer, in words.

import type { Failure } from "./event.ts";

type ErrorCode = import("wasi:http/types@0.2.12").ErrorCode;

/** Of these another attempt would end in the same way. */
const PERMANENT = ["HTTP-request-method-invalid", "HTTP-request-URI-invalid", "HTTP-request-URI-too-long", "HTTP-response-body-size"];

/** Whom a request goes to. Without the path, in which there may be what nobody else should read. */
export interface To {
  readonly method: string;
  readonly origin: string;
}

/** A request that was not answered. Where nobody catches it, it is a failure of the event: another attempt, if that may mend it. */
export class FetchError extends TypeError {
  constructor(
    to: To,
    why: string,
    /** Whether another attempt would end in the same way. */
    readonly permanent = false,
  ) {
    super(`${to.method} ${to.origin}: ${why}`);
    this.name = "FetchError";
  }

  /** What the host answered instead of the other side. */
  static of(to: To, code: ErrorCode): FetchError {
    switch (code.tag) {
      case "HTTP-request-denied":
        return new FetchError(to, `${to.origin} is not granted; add it to the handler's \`allow.http\``, true);
      case "destination-IP-prohibited":
        return new FetchError(
          to,
          "its address is not granted; add the address to the handler's `allow.http`, or its network to `allow.networks`",
          true,
        );
      case "internal-error":
        return new FetchError(to, code.val ?? "internal error", code.val !== undefined);
      case "DNS-error":
        return new FetchError(to, `no address: ${code.val.rcode ?? "DNS error"}`);
      case "HTTP-request-body-size":
        return new FetchError(to, "the body is too large", true);
      default:
        return new FetchError(to, code.tag.toLowerCase().replaceAll("-", " "), PERMANENT.includes(code.tag));
    }
  }

  failure(): Failure {
    if (this.permanent) return { tag: "permanent", val: this.message };
    return { tag: "retry", val: { reason: this.message, afterMs: undefined } };
  }
}
