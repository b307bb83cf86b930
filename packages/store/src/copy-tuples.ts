/**
 * Splits the bytes of a `COPY … TO STDOUT (FORMAT binary)` into its tuples, whatever the pieces they come in.
 *
 * Holds the bytes of one unfinished tuple at most. A tuple that spans many pieces is put together once its length is
 * known, so a value of 100 MB is not copied again with each piece.
 */

/** Tuples that lie one after the other in one buffer: tuple i is `bounds[i]` to `bounds[i + 1]`. */
export interface TupleRun {
  readonly buffer: Buffer
  readonly bounds: readonly number[]
}

const SIGNATURE_BYTES = 11
const HEADER_BYTES = SIGNATURE_BYTES + 8

export class CopyTupleSplitter {
  #pieces: Buffer[] = []
  #held = 0
  /** Bytes without which nothing more can be split. */
  #needed = HEADER_BYTES
  #isHeaderRead = false
  #isEnded = false

  /** @returns the tuples that are complete now. */
  push(piece: Buffer): TupleRun | null {
    this.#pieces.push(piece)
    this.#held += piece.length
    if (this.#held < this.#needed) return null
    const buffer = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#held)
    const bounds = this.#split(buffer)
    const rest = buffer.subarray(bounds[bounds.length - 1])
    this.#pieces = rest.length > 0 ? [rest] : []
    this.#held = rest.length
    return bounds.length > 1 ? { buffer, bounds } : null
  }

  /** @throws Error if the COPY ended inside a tuple. */
  end(): void {
    if (!this.#isEnded) throw new Error('a binary COPY ended without its trailer')
  }

  #split(buffer: Buffer): number[] {
    let at = 0
    if (!this.#isHeaderRead) {
      at = HEADER_BYTES + buffer.readInt32BE(SIGNATURE_BYTES + 4)
      this.#isHeaderRead = true
    }
    const bounds = [at]
    for (;;) {
      const end = this.#tupleEnd(buffer, at)
      if (end < 0) return bounds
      bounds.push(end)
      at = end
    }
  }

  /** End of the tuple that begins at `at`; -1 if it is not complete, or the trailer. Sets `#needed`, counted from `at`. */
  #tupleEnd(buffer: Buffer, at: number): number {
    const available = buffer.length
    if (at + 2 > available) return this.#wait(2)
    const columns = buffer.readInt16BE(at)
    if (columns === -1) {
      this.#isEnded = true
      return this.#wait(Number.MAX_SAFE_INTEGER)
    }
    let end = at + 2
    for (let i = 0; i < columns; i += 1) {
      if (end + 4 > available) return this.#wait(end + 4 - at)
      const length = buffer.readInt32BE(end)
      end += length > 0 ? 4 + length : 4
    }
    return end > available ? this.#wait(end - at) : end
  }

  #wait(bytes: number): -1 {
    this.#needed = bytes
    return -1
  }
}
