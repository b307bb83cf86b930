import { createSecretKey } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { SealBroken, opening, sealing } from './sealed-stream.ts'

const PIECE = 64 * 1024
const SEALED_PIECE = PIECE + 16
const HEADER = 48
const key = createSecretKey(Buffer.alloc(32, 'a key '))

const seal = (plain: Buffer, bound = 'crm'): Promise<Buffer> => buffer(Readable.from(cut(plain)).pipe(sealing(key, bound)))

async function open(sealed: Buffer, with_ = key, bound = 'crm'): Promise<Buffer> {
  const opener = opening(with_, bound)
  Readable.from(cut(sealed)).pipe(opener)
  return buffer(opener)
}

/** As a file is read: in chunks that know nothing of the pieces. */
function cut(bytes: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 50_000) chunks.push(bytes.subarray(at, at + 50_000))
  return chunks
}

function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 255
  return bytes
}

test.each([0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 300_000])('%d bytes come back as they were', async (length) => {
  const plain = numbered(length)
  const sealed = await seal(plain)
  expect(sealed.length).toBe(HEADER + length + 16 * Math.max(1, Math.ceil(length / PIECE)))
  expect((await open(sealed)).equals(plain)).toBe(true)
})

test('two files of the same bytes have nothing in common', async () => {
  const [a, b] = [await seal(numbered(1000)), await seal(numbered(1000))]
  expect(a.subarray(HEADER).equals(b.subarray(HEADER))).toBe(false)
})

describe('what is not as it was written does not open', () => {
  test.each([
    ['a bit is another', (s: Buffer) => ((s[HEADER + 5]! ^= 1), s)],
    ['the salt is another', (s: Buffer) => ((s[20]! ^= 1), s)],
    ['the last piece is gone', (s: Buffer) => s.subarray(0, HEADER + 2 * SEALED_PIECE)],
    ['it ends within a piece', (s: Buffer) => s.subarray(0, s.length - 7)],
    ['it ends within the header', (s: Buffer) => s.subarray(0, 30)],
    ['it is empty', (s: Buffer) => s.subarray(0, 0)],
    [
      'two pieces changed places',
      (s: Buffer) =>
        Buffer.concat([
          s.subarray(0, HEADER),
          s.subarray(HEADER + SEALED_PIECE, HEADER + 2 * SEALED_PIECE),
          s.subarray(HEADER, HEADER + SEALED_PIECE),
          s.subarray(HEADER + 2 * SEALED_PIECE),
        ]),
    ],
    ['bytes follow it', (s: Buffer) => Buffer.concat([s, Buffer.alloc(40)])],
  ])('%s', async (_what, change) => {
    const sealed = await seal(numbered(2 * PIECE + 100))
    await expect(open(change(sealed))).rejects.toBeInstanceOf(SealBroken)
  })

  test('another key, or another database', async () => {
    const sealed = await seal(numbered(100))
    await expect(open(sealed, createSecretKey(Buffer.alloc(32, 'other ')))).rejects.toBeInstanceOf(SealBroken)
    await expect(open(sealed, key, 'mail')).rejects.toBeInstanceOf(SealBroken)
  })
})
