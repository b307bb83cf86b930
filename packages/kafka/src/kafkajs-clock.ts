/**
 * Keeps the times that kafkajs waits for from the steps of the machine's clock.
 *
 * kafkajs 2.2.4 takes them from `Date.now()`. A clock that is set back by an hour would silence the heartbeats of a group's member for
 * an hour: Kafka gives its partitions to another, and the member works on, since it asks nothing of the group. A request without an
 * answer would wait as long, and one that the broker throttles too. Each time is kept as one of `performance.now()`, which does not
 * step, and read as the time that `Date.now()` will show when it comes.
 *
 * https://github.com/tulios/kafkajs/blob/v2.2.4/src/consumer/consumerGroup.js
 * https://github.com/tulios/kafkajs/blob/v2.2.4/src/network/requestQueue/index.js
 */
import BrokerPool from 'kafkajs/src/cluster/brokerPool.js'
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js'
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import SocketRequest from 'kafkajs/src/network/requestQueue/socketRequest.js'

let isMended = false

/** Mends the library for the whole process; may be called again. */
export function mendClock(): void {
  if (isMended) return
  isMended = true
  keepSteady(ConsumerGroup.prototype, 'lastRequest')
  keepSteady(SocketRequest.prototype, 'sentAt')
  keepSteady(RequestQueue.prototype, 'throttledUntil')
  keepSteady(BrokerPool.prototype, 'metadataExpireAt')
}

/** @param property Milliseconds since 1970, or null for no time. */
function keepSteady(prototype: object, property: string): void {
  const times = new WeakMap<object, number>()
  Object.defineProperty(prototype, property, {
    configurable: true,
    get(this: object): number | null {
      const time = times.get(this)
      return time === undefined ? null : time + Date.now() - performance.now()
    },
    set(this: object, value: number | null) {
      if (value === null) times.delete(this)
      else times.set(this, value - Date.now() + performance.now())
    },
  })
}
