import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import Broker from 'kafkajs/src/broker/index.js'
import { expect, test, vi } from 'vitest'
import { offsetOf } from '@sluice/core'
import { createKafka } from '@sluice/kafka'
import { WatchedMember, createTopic, publish, readAll, testKafkaOptions, textsOf } from './kafka-fixture.ts'

const kafka = createKafka(testKafkaOptions())

test('a partition is read to its present end, markers included, and an empty one ends at once', async () => {
  const topic = await createTopic(kafka)
  expect(await readAll(kafka, topic)).toEqual([])
  for (const text of ['a', 'b', 'c']) await publish(kafka, topic, [text])
  const fetches = vi.spyOn(Broker.prototype, 'fetch')
  expect(textsOf(await readAll(kafka, topic))).toEqual(['a', 'b', 'c'])
  expect(fetches).toHaveBeenCalledOnce()
  fetches.mockRestore()
  // Offset 5 is the marker of the last transaction; 6 is the end.
  expect(await readAll(kafka, topic, 0, 5)).toEqual([])
  expect(await readAll(kafka, topic, 0, 6)).toEqual([])
})

test('offsets that retention removed are told, with what the partition holds', async () => {
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b', 'c'])
  await removeBelow(topic, '2')
  await expect(readAll(kafka, topic)).rejects.toMatchObject({
    code: 'EVENTS_MISSING',
    why: expect.stringContaining('2 to 4') as string,
  })
})

test('a consumer begins exactly where it was told, and reads committed messages only', async () => {
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b', 'c'])
  await publish(kafka, topic, ['lost'], 'abort')
  const member = await WatchedMember.join(kafka, randomUUID(), topic, async () => {
    await delay(300)
    return offsetOf(1)
  })
  await member.until((m) => m.texts.length >= 2)
  await publish(kafka, topic, ['d'])
  await member.until((m) => m.texts.length >= 3)
  expect(member.texts).toEqual(['b', 'c', 'd'])
  await member.consumer.close()
})

test('one member has every partition, the other stands by, does not disturb it, and takes over when it leaves', async () => {
  const topic = await createTopic(kafka, 3)
  const group = randomUUID()
  const first = await WatchedMember.join(kafka, group, topic)
  await first.until((m) => m.history.includes('assigned 3'))
  const second = await WatchedMember.join(kafka, group, topic)
  await publish(kafka, topic, ['a'])
  await first.until((m) => m.texts.length === 1)
  expect(second.consumer.isActive).toBe(false)
  expect(first.history).toEqual(['assigned 3'])
  await first.consumer.close()
  await second.until((m) => m.texts.length === 1)
  expect(second.consumer.isActive).toBe(true)
  await second.consumer.close()
})

test('a paused partition waits, longer than a session, and its member stays the owner', async () => {
  const quick = createKafka({ ...testKafkaOptions(), limits: { sessionTimeoutMs: 6_000 } })
  const topic = await createTopic(quick)
  const member = await WatchedMember.join(quick, randomUUID(), topic)
  await member.until((m) => m.history.includes('assigned 1'))
  member.consumer.pause([{ topic, partition: 0 }])
  await publish(quick, topic, ['a'])
  await delay(7_000)
  expect(member.texts).toEqual([])
  member.consumer.resume([{ topic, partition: 0 }])
  await member.until((m) => m.texts.length === 1)
  expect(member.history).toEqual(['assigned 1'])
  await member.consumer.close()
})

test('an offset that retention removed fails the consumer and is never reset', async () => {
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b', 'c'])
  await removeBelow(topic, '2')
  const member = await WatchedMember.join(kafka, randomUUID(), topic)
  await member.until((m) => m.failure !== undefined)
  expect(member.failure).toMatchObject({ code: 'EVENTS_MISSING' })
  expect(member.texts).toEqual([])
})

test('an offset that can not be read from the database fails the consumer', async () => {
  const topic = await createTopic(kafka)
  const member = await WatchedMember.join(kafka, randomUUID(), topic, () => Promise.reject(new Error('the database is down')))
  await member.until((m) => m.failure !== undefined)
  expect(member.failure?.message).toContain('the database is down')
})

test('mirrored offsets are what tools see of the group', async () => {
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b'])
  const group = randomUUID()
  const member = await WatchedMember.join(kafka, group, topic)
  await member.until((m) => m.texts.length === 2)
  await member.consumer.mirrorOffsets([{ topic, partition: 0, next: offsetOf(2) }])
  await member.consumer.close()
  const admin = plainAdmin()
  await admin.connect()
  const [seen] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  await admin.disconnect()
  expect(seen?.partitions[0]?.offset).toBe('2')
})

function plainAdmin(): kafkajs.Admin {
  const { brokers } = testKafkaOptions()
  return new kafkajs.Kafka({ brokers: [...brokers], clientId: 'test', logLevel: kafkajs.logLevel.NOTHING }).admin()
}

async function removeBelow(topic: string, offset: string): Promise<void> {
  const admin = plainAdmin()
  await admin.connect()
  await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] })
  await admin.disconnect()
}
