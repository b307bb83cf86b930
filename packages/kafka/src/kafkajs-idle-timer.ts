/**
 * Keeps kafkajs from setting a timer that has nothing to do.
 *
 * After every answer kafkajs 2.2.4 plans the next look at the requests that wait to be sent, also where none waits: the time is
 * then "until -1", minus 1.8 trillion milliseconds, of which Node 24 warns on the user's terminal. Nothing is lost without it:
 * a request that has to wait plans its look itself (`push`), and so does every look that leaves requests behind.
 *
 * https://github.com/tulios/kafkajs/blob/v2.2.4/src/network/requestQueue/index.js
 */
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

const schedule = Reflect.get(RequestQueue.prototype, 'scheduleCheckPendingRequests')
let isMended = false

/** Mends the library for the whole process; may be called again. */
export function mendIdleTimer(): void {
  if (isMended) return
  isMended = true
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
}
