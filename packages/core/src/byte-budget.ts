/**
 * A bound in bytes for what is held between two stages.
 *
 * `acquire` takes bytes and waits while the budget is used up; `release` gives them back. One request larger than the
 * whole budget is let in alone, when nothing else is held: a single row can't be cut.
 *
 * B1  The bytes held never exceed the budget, but for one oversize request that is held alone.
 * B2  Requests are served in order.
 */
export class ByteBudget {
  readonly #limit: number
  readonly #waiting: { readonly bytes: number; readonly admit: () => void }[] = []
  #held = 0

  constructor(limitBytes: number) {
    if (!(limitBytes > 0)) throw new RangeError(`a byte budget must be above 0, it is ${limitBytes}`)
    this.#limit = limitBytes
  }

  get heldBytes(): number {
    return this.#held
  }

  get limitBytes(): number {
    return this.#limit
  }

  get isFull(): boolean {
    return this.#held >= this.#limit || this.#waiting.length > 0
  }

  /** Takes bytes without waiting, for a producer that can only be paused afterwards. May exceed the limit. */
  force(bytes: number): void {
    this.#held += bytes
  }

  async acquire(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#held += bytes
      return
    }
    await new Promise<void>((admit) => this.#waiting.push({ bytes, admit }))
  }

  release(bytes: number): void {
    this.#held -= bytes
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#held += next.bytes
      next.admit()
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#limit
  }
}
