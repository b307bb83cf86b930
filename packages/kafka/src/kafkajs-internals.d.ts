/** The part of kafkajs 2.2.4 that it does not declare and Sluice mends; see kafkajs-idle-timer.ts. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    /** Requests that wait to be sent. */
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests(): void
  }
}
