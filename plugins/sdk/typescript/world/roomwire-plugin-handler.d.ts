/// <reference path="./roomwire-plugin-event-types.d.ts" />
declare module 'roomwire:plugin/handler@0.1.0' {
  /**
   * One event, in a fresh instance. Events of one ordering key come one after another.
   */
  export function handle(event: Event): Outcome;
  /**
   * Called once at deploy, with the handler's config and no grants: an error refuses the deploy.
   */
  export function check(): void;
  export type Event = import('roomwire:plugin/event-types@0.1.0').Event;
  export type Outcome = import('roomwire:plugin/event-types@0.1.0').Outcome;
  export type Failure = import('roomwire:plugin/event-types@0.1.0').Failure;
}
