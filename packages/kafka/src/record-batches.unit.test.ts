import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OutgoingMessage } from './kafka-port.ts'
import { batchRounds, recordBytes } from './record-batches.ts'

function message(partition: number, bytes: number, id: number): OutgoingMessage {
  return { partition, key: Buffer.from(String(id)), value: Buffer.alloc(bytes), headers: { 'event-id': 'x' }, timestampMs: 0 }
}

test('every message is in one batch, in order within its partition, and no batch is above the bound but for one message alone', () => {
  const messages = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 3000 })), { maxLength: 200 })
  fc.assert(
    fc.property(messages, fc.integer({ min: 100, max: 5000 }), (list, bytesMax) => {
      const sent = list.map(([partition, bytes], id) => message(partition, bytes, id))
      const rounds = batchRounds([{ topic: 't', messages: sent }], bytesMax)
      for (let partition = 0; partition < 5; partition++) {
        const placed = rounds.flatMap((round) => round.filter((b) => b.partition === partition).flatMap((b) => b.messages))
        expect(placed).toEqual(sent.filter((m) => m.partition === partition))
      }
      for (const round of rounds) {
        expect(new Set(round.map((b) => b.partition)).size).toBe(round.length)
        for (const batch of round) {
          const bytes = batch.messages.reduce((sum, m) => sum + recordBytes(m), 0)
          expect(batch.messages.length === 1 || bytes <= bytesMax).toBe(true)
        }
      }
    }),
  )
})
