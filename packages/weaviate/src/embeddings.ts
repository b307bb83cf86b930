/**
 * Embeddings of texts, kept between the question which rows can be held and their writing, so that a text is embedded once a batch.
 * Bounded in bytes: what was made first goes first, and is made again if it is needed.
 */
import { createHash } from 'node:crypto'
import type { Embedder } from './embedder.ts'
import { EmbeddingError } from './embedding-error.ts'

const KEPT_BYTES_MAX = 32 * 1024 * 1024

export class Embeddings {
  readonly #embedder: Embedder
  readonly #kept = new Map<string, Float32Array>()
  #bytes = 0

  constructor(embedder: Embedder) {
    this.#embedder = embedder
  }

  /** What each text is embedded as, or why it is not; of all texts together, and one by one where one of them is refused. */
  async of(texts: readonly string[]): Promise<readonly (Float32Array | EmbeddingError)[]> {
    const found = new Map<string, Float32Array | EmbeddingError>()
    const keys = texts.map((text) => createHash('sha256').update(text).digest('base64'))
    const missing = new Map<string, string>()
    keys.forEach((key, i) => {
      const kept = this.#kept.get(key)
      if (kept) found.set(key, kept)
      else missing.set(key, texts[i]!)
    })
    for (const [key, embedding] of await this.#made(missing)) {
      found.set(key, embedding)
      if (!(embedding instanceof EmbeddingError)) this.#keep(key, embedding)
    }
    return keys.map((key) => found.get(key)!)
  }

  async #made(texts: ReadonlyMap<string, string>): Promise<readonly (readonly [string, Float32Array | EmbeddingError])[]> {
    if (texts.size === 0) return []
    const keys = [...texts.keys()]
    const all = await this.#tried([...texts.values()])
    if (!(all instanceof EmbeddingError)) return keys.map((key, i) => [key, all[i]!] as const)
    if (all.kind === 'unreachable' || texts.size === 1) return keys.map((key) => [key, all] as const)
    const one: [string, Float32Array | EmbeddingError][] = []
    for (const [key, text] of texts) {
      const embedding = await this.#tried([text])
      one.push([key, embedding instanceof EmbeddingError ? embedding : embedding[0]!])
    }
    return one
  }

  async #tried(texts: readonly string[]): Promise<readonly Float32Array[] | EmbeddingError> {
    try {
      return await this.#embedder.embed(texts)
    } catch (error) {
      if (error instanceof EmbeddingError) return error
      throw error
    }
  }

  #keep(key: string, embedding: Float32Array): void {
    this.#kept.set(key, embedding)
    this.#bytes += embedding.byteLength
    for (const [oldest, { byteLength }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES_MAX || oldest === key) return
      this.#kept.delete(oldest)
      this.#bytes -= byteLength
    }
  }
}
