import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { expect, test, vi } from 'vitest'
import { mendIdleTimer } from './kafkajs-idle-timer.ts'

/** A queue of the library's own, without its constructor, which wants a connection. */
function queueWith(pending: readonly unknown[]): RequestQueue {
  return Object.assign(Object.create(RequestQueue.prototype) as RequestQueue, { pending, throttledUntil: -1 })
}

test('kafkajs sets no timer while no request waits, and one that Node does not warn of while one does', () => {
  mendIdleTimer()
  const timer = vi.spyOn(globalThis, 'setTimeout').mockReturnValue(undefined as never)
  try {
    queueWith([]).scheduleCheckPendingRequests()
    expect(timer).not.toHaveBeenCalled()
    queueWith(['request']).scheduleCheckPendingRequests()
    expect(timer).toHaveBeenCalledOnce()
    expect(timer.mock.calls[0]?.[1]).toBeGreaterThan(0)
  } finally {
    timer.mockRestore()
  }
})
