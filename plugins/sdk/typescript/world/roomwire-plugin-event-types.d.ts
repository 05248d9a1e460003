declare module 'roomwire:plugin/event-types@0.1.0' {
  export interface Event {
    /**
     * LiveKit event id, e.g. "EV_VGWsNSCZMepC"; the same on every attempt and every redelivery.
     */
    id: string,
    /**
     * e.g. "participant_joined". A string: new kinds must not break plugins.
     */
    kind: string,
    /**
     * Name of the LiveKit project in the YAML ("default" where there is one).
     */
    project: string,
    /**
     * Room name, where the event has one.
     */
    room?: string,
    /**
     * Participant identity, where the event has one.
     */
    participant?: string,
    /**
     * When LiveKit created the event, RFC 3339 UTC, one-second resolution.
     */
    createdAt: string,
    /**
     * 1 on the first attempt.
     */
    attempt: number,
    /**
     * Wall-clock budget left for this call, milliseconds.
     */
    deadlineMs: number,
    /**
     * The signed HTTP body exactly as LiveKit sent it (UTF-8 JSON). Unknown fields are in it.
     */
    json: string,
    /**
     * Documented names, absent where unknown: ordering-key, room-sid, received-at, traceparent, idempotency-key,
     * final-attempt ("true"), redriven ("true"), replay (the run's name), synthetic ("true");
     * of a dead letter also dead-handler, dead-cause, dead-error and dead-attempts.
     */
    attributes: Array<[string, string]>,
  }
  /**
   * How a call that worked ended.
   */
  export type Outcome = OutcomeDone | OutcomeSkipped;
  /**
   * Handled.
   */
  export interface OutcomeDone {
    tag: 'done',
  }
  /**
   * Settled like done, counted apart; the text says why.
   */
  export interface OutcomeSkipped {
    tag: 'skipped',
    val: string,
  }
  export interface RetryHint {
    /**
     * Why, for the attempt's record.
     */
    reason: string,
    /**
     * None: the handler's retry policy decides.
     */
    afterMs?: number,
  }
  /**
   * How a call that did not work ended. A trap, a timeout and too much memory are failures too, and the host's to report.
   */
  export type Failure = FailureRetry | FailurePermanent;
  /**
   * Try again later, by the handler's policy.
   */
  export interface FailureRetry {
    tag: 'retry',
    val: RetryHint,
  }
  /**
   * Never try again: dead letter at once.
   */
  export interface FailurePermanent {
    tag: 'permanent',
    val: string,
  }
}
