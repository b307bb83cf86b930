/** An embedder without a model: the same text has the same embedding, and that is all it says. For tests and demos. */
import { createHash } from 'node:crypto'
import type { Embedder } from './embedder.ts'

const DIMENSIONS = 32

export function deterministicEmbedder(version = 1): Embedder {
  return {
    name: 'deterministic, without meaning: for tests and demos',
    version,
    dimensions: DIMENSIONS,
    embed: (texts) => Promise.resolve(texts.map((text) => embeddingOf(text, version))),
    close: () => undefined,
  }
}

/** A vector of length 1, from the text's hash. */
function embeddingOf(text: string, version: number): Float32Array {
  const digest = createHash('sha256').update(`${version}\n${text}`).digest()
  const numbers = Float32Array.from(digest.subarray(0, DIMENSIONS), (byte) => byte - 127.5)
  const length = Math.hypot(...numbers)
  return numbers.map((n) => n / length)
}
