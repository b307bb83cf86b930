/**
 * Damaged bytes give a value from inside of the message, or SLU-2040: no hang, no crash, no memory beyond the message's own
 * size, and nothing of the memory behind it. The seed is printed; `SLUICE_TEST_SEED` runs it again.
 */
import { isSluiceError } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ORDERS, SAMPLES, STREAM_STOP, bytes, streamAbort, streamStart, streamed } from '../test/message-bytes.ts'
import { type PgoutputDecoder, createPgoutputDecoder } from './decoder.ts'
import { UNCHANGED } from './message.ts'

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)

/** Bytes around the message in its buffer. */
const AROUND = 4096
/** 30,000 decodings or more: on a busy machine longer than a unit test may take otherwise. */
const LIMIT_MS = 60_000
/** What a decoded message takes beside its texts. */
const OVERHEAD_PER_BYTE = 64

const WHOLE = [...SAMPLES, ...SAMPLES.map((sample) => streamed(5, sample)), STREAM_STOP, streamAbort(5, 6), streamStart(5, true)]

const at = fc.nat({ max: 10_000 })
const sample = fc.constantFrom(...WHOLE)

/** One way to damage a message: a byte changed, bytes cut out or put in, or the end of another message after its beginning. */
const damage: fc.Arbitrary<(message: Buffer) => Buffer> = fc.oneof(
  fc.tuple(at, fc.nat({ max: 255 })).map(([place, value]) => (message: Buffer) => {
    const changed = Buffer.from(message)
    if (changed.length > 0) changed[place % changed.length] = value
    return changed
  }),
  fc.tuple(at, fc.nat({ max: 12 })).map(([place, length]) => (message: Buffer) => {
    const from = place % (message.length + 1)
    return Buffer.concat([message.subarray(0, from), message.subarray(from + length)])
  }),
  fc.tuple(at, fc.uint8Array({ maxLength: 12 })).map(([place, put]) => (message: Buffer) => {
    const from = place % (message.length + 1)
    return Buffer.concat([message.subarray(0, from), put, message.subarray(from)])
  }),
  fc.tuple(at, sample, at).map(([place, other, otherPlace]) => (message: Buffer) => {
    return Buffer.concat([message.subarray(0, place % (message.length + 1)), other.subarray(otherPlace % (other.length + 1))])
  }),
)

const damaged = fc
  .tuple(sample, fc.array(damage, { maxLength: 4 }))
  .map(([message, damages]) => damages.reduce((bytesSoFar, apply) => apply(bytesSoFar), message))

/** The message inside of a larger buffer, as it lies in pg's. */
function surrounded(message: Buffer, filling: number): Buffer {
  const around = Buffer.alloc(message.length + 2 * AROUND, filling)
  message.copy(around, AROUND)
  return around.subarray(AROUND, AROUND + message.length)
}

/** What a decoder makes of some messages, as comparable text; an error by its words. */
function outcomes(messages: readonly Buffer[], filling: number): readonly string[] {
  const decoder = createPgoutputDecoder()
  decoder.decode(bytes.relation(ORDERS))
  return messages.flatMap((message) => {
    const lying = surrounded(message, filling)
    return [outcome(decoder, 'decode', lying), outcome(decoder, 'decodeStreamed', lying)]
  })
}

function outcome(decoder: PgoutputDecoder, method: 'decode' | 'decodeStreamed', message: Buffer): string {
  try {
    const text = JSON.stringify(decoder[method](message), (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value === UNCHANGED ? 'unchanged' : value,
    )
    // A change shows its relation, which is not in its own bytes.
    expect(text.length).toBeLessThan(2_000 + OVERHEAD_PER_BYTE * message.length)
    return text
  } catch (error) {
    if (isSluiceError(error, 'PROTOCOL_MESSAGE_INVALID')) return error.why
    throw error
  }
}

test('the same damaged messages give the same values or errors, whatever lies around them', { timeout: LIMIT_MS }, () => {
  process.stdout.write(`decoder fuzz: SLUICE_TEST_SEED=${SEED}\n`)
  let refused = 0
  let decoded = 0
  fc.assert(
    fc.property(fc.array(damaged, { minLength: 1, maxLength: 6 }), (messages) => {
      const first = outcomes(messages, 0x41)
      for (const text of first) {
        if (text.startsWith('{')) decoded += 1
        else refused += 1
      }
      expect(outcomes(messages, 0x39)).toEqual(first)
      expect(outcomes(messages, 0x00)).toEqual(first)
    }),
    { seed: SEED, numRuns: 5_000 },
  )
  // Both ways were taken, else the damage was too much or too little to tell anything.
  expect(Math.min(refused, decoded)).toBeGreaterThan(2_000)
})

test('a count or length that the message can not hold is refused at once', () => {
  const lengths = [0x7fff_ffff, -1, -0x8000_0000]
  for (const length of lengths) {
    const decoder = createPgoutputDecoder()
    decoder.decode(bytes.relation(ORDERS))
    const truncate = Buffer.concat([bytes.letter('T'), bytes.i32(length), bytes.u8(0), bytes.i32(ORDERS.oid)])
    const text = Buffer.concat([
      bytes.letter('I'),
      bytes.i32(ORDERS.oid),
      bytes.letter('N'),
      bytes.i16(3),
      bytes.letter('t'),
      bytes.i32(length),
    ])
    const content = Buffer.concat([bytes.letter('M'), bytes.u8(1), bytes.u64(8n), bytes.name('p'), bytes.i32(length)])
    const began = performance.now()
    for (const message of [truncate, text, content]) {
      expect(() => decoder.decode(message)).toThrow(expect.objectContaining({ code: 'PROTOCOL_MESSAGE_INVALID' }) as Error)
    }
    expect(performance.now() - began).toBeLessThan(1_000)
  }
})
