declare module 'roomwire:plugin/livekit@0.1.0' {
  /**
   * e.g. `call("RoomService", "RemoveParticipant", …)`: the request and the answer are JSON in protobuf's mapping.
   */
  export function call(service: string, method: string, requestJson: string): string;
  export type Error = ErrorDenied | ErrorTwirp | ErrorUnavailable | ErrorOther;
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * The server's code and message.
   */
  export interface ErrorTwirp {
    tag: 'twirp',
    val: [string, string],
  }
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
}
