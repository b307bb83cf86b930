/** Why there is no embedding. The message never holds a text. */
export class EmbeddingError extends Error {
  /** `unreachable`: the same texts may be taken later. `refused`: one of the texts is not taken as it is. */
  readonly kind: 'unreachable' | 'refused'

  constructor(kind: 'unreachable' | 'refused', message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.kind = kind
  }
}
