/** The port to whatever makes embeddings of texts. Sluice has no model of its own and downloads none. */
export interface Embedder {
  /** For people: the model. */
  readonly name: string
  /** Counted up by whoever changes the model: objects say with which version they were made. */
  readonly version: number
  /** Numbers of every embedding. */
  readonly dimensions: number
  /**
   * One embedding a text, in order.
   *
   * @throws EmbeddingError if the embedder does not answer, or refuses a text
   */
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>
  close(): void
}
