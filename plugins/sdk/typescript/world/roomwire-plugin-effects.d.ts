declare module 'roomwire:plugin/effects@0.1.0' {
  /**
   * To JetStream, with a deterministic Nats-Msg-Id.
   */
  export function publish(message: Message): void;
  /**
   * The host sends it after the commit, retries it with the same bytes and Idempotency-Key, and signs it if the YAML says so.
   */
  export function send(request: Request): void;
  export interface Message {
    subject: string,
    data: Uint8Array,
    headers: Array<[string, string]>,
  }
  export interface Request {
    method: string,
    url: string,
    headers: Array<[string, string]>,
    body: Uint8Array,
  }
  export type Error = ErrorDenied | ErrorTooLarge | ErrorQuotaExceeded | ErrorOther;
  /**
   * The YAML does not grant it; the text names what is missing.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * The message or request is larger than the host takes.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
  }
  /**
   * Too many effects in one call.
   */
  export interface ErrorQuotaExceeded {
    tag: 'quota-exceeded',
  }
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
}
