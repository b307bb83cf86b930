import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { CountedLines } from './counted-lines.ts'

test.each([
  ['lines, wherever chunks are cut', ['a\nb', '', 'b\n', '\nc\n'], 4n],
  ['a last one without its end', ['a\n', 'b'], 2n],
  ['nothing', [], 0n],
])('counts %s, and changes nothing', async (_what, chunks, lines) => {
  const counted = new CountedLines()
  const passed: Buffer[] = []
  const to = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      passed.push(chunk)
      done()
    },
  })
  await pipeline(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), counted, to)
  expect(counted.lines).toBe(lines)
  expect(Buffer.concat(passed).toString()).toBe(chunks.join(''))
})
