/**
 * An embedder behind an HTTP end point, in the form that most servers of models offer:
 *
 *   POST <url>  {"model": "<name>", "input": ["text", …]}
 *   200         {"data": [{"index": 0, "embedding": [0.1, …]}, …]}
 *
 * https://platform.openai.com/docs/api-reference/embeddings
 *
 * 400, 413 and 422 say that a text is not taken as it is; every other status but 200, and no answer, that the embedder is not at hand.
 * Then it is left alone for a while: each batch of a projector would wait for it again.
 */
import { boundedParts } from '@sluice/core'
import { z } from 'zod'
import type { Embedder } from './embedder.ts'
import { EmbeddingError } from './embedding-error.ts'
import { JsonEndpoint, type JsonAnswer, NoAnswerError } from './json-endpoint.ts'

export interface HttpEmbedderOptions {
  readonly url: URL
  /** The model, as the end point knows it. */
  readonly name: string
  readonly version: number
  readonly dimensions: number
  readonly token?: string | undefined
  readonly ca?: string | undefined
  /** @default 10,000 */
  readonly timeoutMs?: number
  /** How long it is not asked after it did not answer. @default 5,000 */
  readonly restMs?: number
}

const TIMEOUT_MS = 10_000
const REST_MS = 5_000
/** Of one request. A longer text goes alone. */
const TEXTS_MAX = 64
const BYTES_MAX = 512 * 1024
const REFUSING: ReadonlySet<number> = new Set([400, 413, 422])

const answerSchema = z.object({ data: z.array(z.object({ index: z.int().min(0), embedding: z.array(z.number()) })) })

export function httpEmbedder(options: HttpEmbedderOptions): Embedder {
  const { name, version, dimensions } = options
  const endpoint = new JsonEndpoint({ ...options, timeoutMs: options.timeoutMs ?? TIMEOUT_MS })
  let restsUntil = -Infinity

  const ask = async (texts: readonly string[]): Promise<JsonAnswer> => {
    if (performance.now() < restsUntil) throw new EmbeddingError('unreachable', 'the embedder did not answer a moment ago')
    try {
      return await endpoint.request('POST', '', { model: name, input: texts })
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error
      throw new EmbeddingError('unreachable', `the embedder at ${endpoint.display} did not answer: ${error.message}`, error)
    }
  }

  const embedRequest = async (texts: readonly string[]): Promise<readonly Float32Array[]> => {
    try {
      return embeddingsOf(await ask(texts), texts.length, dimensions)
    } catch (error) {
      if (error instanceof EmbeddingError && error.kind === 'unreachable' && performance.now() >= restsUntil) {
        restsUntil = performance.now() + (options.restMs ?? REST_MS)
      }
      throw error
    }
  }

  return {
    name,
    version,
    dimensions,
    embed: async (texts) => {
      const embeddings: Float32Array[] = []
      for (const part of boundedParts(texts, (text) => Buffer.byteLength(text), { bytesMax: BYTES_MAX, itemsMax: TEXTS_MAX })) {
        embeddings.push(...(await embedRequest(part)))
      }
      return embeddings
    },
    close: () => {
      endpoint.close()
    },
  }
}

/** What is no answer to the request is no reason to call a text bad. */
function embeddingsOf({ status, body }: JsonAnswer, count: number, dimensions: number): readonly Float32Array[] {
  if (REFUSING.has(status)) throw new EmbeddingError('refused', `the embedder refused a text with HTTP ${status}`)
  if (status !== 200) throw new EmbeddingError('unreachable', `the embedder answered with HTTP ${status}`)
  const answer = answerSchema.safeParse(body)
  if (!answer.success) throw new EmbeddingError('unreachable', 'the embedder answered in another form than is documented')
  const byIndex = new Map(answer.data.data.map(({ index, embedding }) => [index, Float32Array.from(embedding)]))
  return Array.from({ length: count }, (_, i) => {
    const embedding = byIndex.get(i)
    if (embedding === undefined)
      throw new EmbeddingError('unreachable', `the embedder gave ${byIndex.size} of ${count} embeddings`)
    if (embedding.length === dimensions && embedding.every(Number.isFinite)) return embedding
    const found = embedding.length === dimensions ? 'a number that is not finite' : `${embedding.length} numbers`
    throw new EmbeddingError('unreachable', `an embedding of ${dimensions} numbers was expected, the embedder gave ${found}`)
  })
}
