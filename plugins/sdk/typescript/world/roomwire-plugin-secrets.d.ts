declare module 'roomwire:plugin/secrets@0.1.0' {
  export function get(name: string): string;
  export type Error = ErrorDenied | ErrorNotFound | ErrorOther;
  export interface ErrorDenied {
    tag: 'denied',
  }
  export interface ErrorNotFound {
    tag: 'not-found',
  }
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
}
