import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Embedder } from './embedder.ts'
import { httpEmbedder } from './http-embedder.ts'

interface Asked {
  readonly authorization: string | undefined
  readonly model: string
  readonly input: readonly string[]
}

let server: Server
let asked: Asked[]
/** Status, and what an embedding is. */
let answer: (text: string) => readonly [number, readonly number[]]

beforeEach(async () => {
  asked = []
  answer = (text) => [200, [text.length, 0]]
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Omit<Asked, 'authorization'>
      asked.push({ ...body, authorization: request.headers.authorization })
      const answers = body.input.map((text) => answer(text))
      const status = Math.max(...answers.map(([s]) => s))
      const data = answers.map(([, embedding], index) => ({ index, embedding })).reverse()
      response.writeHead(status).end(JSON.stringify({ data }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function embedder(more: { timeoutMs?: number; restMs?: number } = {}): Embedder {
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/embeddings`)
  return httpEmbedder({ url, name: 'model', version: 1, dimensions: 2, token: 'secret', ...more })
}

test('texts are embedded in order, whatever order the answer has', async () => {
  expect(await embedder().embed(['a', 'bcd'])).toEqual([Float32Array.of(1, 0), Float32Array.of(3, 0)])
  expect(asked).toEqual([{ authorization: 'Bearer secret', model: 'model', input: ['a', 'bcd'] }])
})

test('requests are bounded in texts and bytes', async () => {
  await embedder().embed(Array.from({ length: 65 }, () => 'a'))
  expect(asked.map(({ input }) => input.length)).toEqual([64, 1])
  asked = []
  await embedder().embed(['x'.repeat(300_000), 'y'.repeat(300_000)])
  expect(asked).toHaveLength(2)
})

test('a text that is refused is told apart from an embedder that is away', async () => {
  answer = () => [413, []]
  await expect(embedder().embed(['a'])).rejects.toMatchObject({ kind: 'refused' })
  answer = () => [503, []]
  await expect(embedder().embed(['a'])).rejects.toMatchObject({ kind: 'unreachable' })
})

test('an embedding of another length, or that is no number, is not taken', async () => {
  answer = () => [200, [1]]
  await expect(embedder().embed(['a'])).rejects.toThrow(/2 numbers was expected, the embedder gave 1 numbers/)
})

test('one that did not answer is left alone for a while, and no message holds the text or the token', async () => {
  const away = embedder({ restMs: 60_000 })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  const error: unknown = await away.embed(['a text']).catch((e: unknown) => e)
  expect(error).toMatchObject({ kind: 'unreachable' })
  expect(String(error)).not.toMatch(/a text|secret/)
  await expect(away.embed(['a text'])).rejects.toThrow(/a moment ago/)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
