import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js'
import SocketRequest from 'kafkajs/src/network/requestQueue/socketRequest.js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mendClock } from './kafkajs-clock.ts'

const HOUR_MS = 3_600_000

beforeEach(() => {
  mendClock()
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** `performance.now` goes on as before. */
function stepClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms)
}

test.each([-6, 6])('a member sends its heartbeats in time, whether or not the clock steps by %d h', async (hours) => {
  const heartbeat = vi.fn(() => Promise.resolve())
  const group = new ConsumerGroup({ logger: { namespace: () => null }, instrumentationEmitter: { emit: () => undefined } })
  group.memberId = 'member'
  group.coordinator = { heartbeat }
  stepClock(hours * HOUR_MS)
  vi.advanceTimersByTime(1_499)
  await group.heartbeat({ interval: 1_500 })
  expect(heartbeat).toHaveBeenCalledTimes(0)
  vi.advanceTimersByTime(1)
  await group.heartbeat({ interval: 1_500 })
  expect(heartbeat).toHaveBeenCalledTimes(1)
  await group.heartbeat({ interval: 1_500 })
  expect(heartbeat).toHaveBeenCalledTimes(1)
})

test('the time that a request takes is the time that has passed', () => {
  const request = Object.create(SocketRequest.prototype) as SocketRequest
  request.sentAt = null
  expect(request.sentAt).toBeNull()
  request.sentAt = Date.now()
  stepClock(-HOUR_MS)
  vi.advanceTimersByTime(30_000)
  expect(request).toMatchObject({ sentAt: Date.now() - 30_000 })
})
