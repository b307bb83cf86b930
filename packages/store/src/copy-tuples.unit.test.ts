import { BinaryCopyEncoder, COPY_BINARY_HEADER, COPY_BINARY_TRAILER } from '@sluice/postgres'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CopyTupleSplitter } from './copy-tuples.ts'

const tuples = fc.array(fc.array(fc.option(fc.string({ maxLength: 40 })), { minLength: 1, maxLength: 5 }), { maxLength: 12 })

function encode(fields: readonly (string | null)[]): Buffer {
  const encoder = new BinaryCopyEncoder()
  encoder.startTuple(fields.length)
  for (const field of fields) {
    if (field === null) encoder.writeNull()
    else encoder.writeText(field)
  }
  return encoder.take()
}

test('gives back each tuple’s bytes, wherever the stream is cut', () => {
  fc.assert(
    fc.property(tuples, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (rows, sizes) => {
      const encoded = rows.map(encode)
      const stream = Buffer.concat([COPY_BINARY_HEADER, ...encoded, COPY_BINARY_TRAILER])
      const splitter = new CopyTupleSplitter()
      const found: Buffer[] = []
      for (let at = 0; at < stream.length;) {
        const size = sizes.next().value as number
        const run = splitter.push(stream.subarray(at, at + size))
        at += size
        for (let i = 0; run && i + 1 < run.bounds.length; i += 1) {
          found.push(run.buffer.subarray(run.bounds[i], run.bounds[i + 1]))
        }
      }
      splitter.end()
      expect(found.map((b) => b.toString('hex'))).toEqual(encoded.map((b) => b.toString('hex')))
    }),
  )
})

test('a stream that ends inside a tuple is an error', () => {
  const splitter = new CopyTupleSplitter()
  splitter.push(Buffer.concat([COPY_BINARY_HEADER, encode(['abc']).subarray(0, 7)]))
  expect(() => splitter.end()).toThrow(/without its trailer/)
})

test('a value that comes in many pieces is put together once', () => {
  const large = encode(['x'.repeat(2_000_000)])
  const splitter = new CopyTupleSplitter()
  const before = process.hrtime.bigint()
  splitter.push(COPY_BINARY_HEADER)
  let run = null
  for (let at = 0; at < large.length; at += 100) run = splitter.push(large.subarray(at, at + 100)) ?? run
  expect(run?.bounds).toEqual([0, large.length])
  // 20,000 pieces: copying what is held with each of them would move 20 GB.
  expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(2000)
})
