import { expect, test } from 'vitest'
import { offsetOf } from '@sluice/core'
import { createKafka } from '@sluice/kafka'
import { createTopic, message, publish, readAll, testKafkaOptions, textsOf } from './kafka-fixture.ts'

const kafka = createKafka(testKafkaOptions())

test('a transaction tells where it put its messages, and nobody sees them before its commit', async () => {
  const topic = await createTopic(kafka, 2)
  const producer = await kafka.transactionalProducer(topic)
  const transaction = await producer.begin()
  const sent = await transaction.send([{ topic, messages: [message('a', 0), message('b', 1), message('c', 0)] }])
  expect(sent).toContainEqual({ topic, partition: 0, baseOffset: offsetOf(0), count: 2 })
  expect(sent).toContainEqual({ topic, partition: 1, baseOffset: offsetOf(0), count: 1 })
  expect(await readAll(kafka, topic)).toEqual([])
  await transaction.commit()
  await producer.close()
  await settle(topic)
  expect(textsOf(await readAll(kafka, topic))).toEqual(['a', 'c'])
})

test('what was aborted is never read, between what was committed', async () => {
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b'])
  await publish(kafka, topic, ['lost', 'lost too'], 'abort')
  await publish(kafka, topic, ['c'])
  expect(textsOf(await readAll(kafka, topic))).toEqual(['a', 'b', 'c'])
  // From the inside of the aborted transaction on.
  expect(textsOf(await readAll(kafka, topic, 0, 4))).toEqual(['c'])
})

test('messages of more than one record batch keep their order', async () => {
  const topic = await createTopic(kafka)
  const producer = await createKafka({ ...testKafkaOptions(), limits: { batchBytesMax: 10_000 } }).transactionalProducer(topic)
  const texts = Array.from({ length: 300 }, (_, i) => `${i}-${'x'.repeat(i * 5)}`)
  const transaction = await producer.begin()
  const sent = await transaction.send([{ topic, messages: texts.map((t) => message(t)) }])
  await transaction.commit()
  await producer.close()
  await settle(topic)
  expect(sent.length).toBeGreaterThan(10)
  expect(textsOf(await readAll(kafka, topic))).toEqual(texts)
  const ends = sent.map((s) => s.baseOffset + BigInt(s.count))
  expect(sent.slice(1).map((s) => s.baseOffset)).toEqual(ends.slice(0, -1))
})

test('a second producer of the same id fences the first and ends its transaction', async () => {
  const topic = await createTopic(kafka)
  const first = await kafka.transactionalProducer(topic)
  const open = await first.begin()
  await open.send([{ topic, messages: [message('never seen')] }])
  const second = await kafka.transactionalProducer(topic)
  const transaction = await second.begin()
  await transaction.send([{ topic, messages: [message('seen')] }])
  await transaction.commit()
  await expect(open.send([{ topic, messages: [message('late')] }])).rejects.toMatchObject({ code: 'RELAY_FENCED' })
  await settle(topic)
  expect(textsOf(await readAll(kafka, topic))).toEqual(['seen'])
  await Promise.all([first.close(), second.close()])
})

test('a fenced commit is refused', async () => {
  const topic = await createTopic(kafka)
  const first = await kafka.transactionalProducer(topic)
  const open = await first.begin()
  await open.send([{ topic, messages: [message('never seen')] }])
  const second = await kafka.transactionalProducer(topic)
  await expect(open.commit()).rejects.toMatchObject({ code: 'RELAY_FENCED' })
  expect(await readAll(kafka, topic)).toEqual([])
  await Promise.all([first.close(), second.close()])
})

test('a message above the limit of its topic is refused by name', async () => {
  const topic = await createTopic(kafka, 1, { 'max.message.bytes': '1000' })
  const producer = await kafka.transactionalProducer(topic)
  const transaction = await producer.begin()
  await expect(transaction.send([{ topic, messages: [message('x'.repeat(2000))] }])).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
    what: expect.stringContaining(topic) as string,
  })
  await producer.close()
})

test('a topic that does not exist is named, and not created', async () => {
  const producer = await kafka.transactionalProducer('sluice.test.none')
  const transaction = await producer.begin()
  await expect(transaction.send([{ topic: 'sluice.test.none', messages: [message('x')] }])).rejects.toMatchObject({
    code: 'TOPIC_MISSING',
  })
  await producer.close()
  const admin = await kafka.admin()
  expect(await admin.listTopics()).not.toContain('sluice.test.none')
  await admin.close()
})

test('brokers that do not answer are an environment fault with the addresses', async () => {
  const nobody = createKafka({ ...testKafkaOptions(), brokers: ['127.0.0.1:1'] })
  await expect(nobody.admin()).rejects.toMatchObject({
    code: 'KAFKA_UNREACHABLE',
    why: expect.stringContaining('127.0.0.1:1') as string,
  })
})

/** Kafka writes the end of a transaction after it answered; the next producer of the id waits for it. */
async function settle(transactionalId: string): Promise<void> {
  await (await kafka.transactionalProducer(transactionalId)).close()
}
