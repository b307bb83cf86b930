/**
 * Where the first message of each sub-transaction lies in the spool of its transaction.
 *
 * Two numbers a sub-transaction, since there may be one for each row: sorted by xid, found by halving. They come nearly sorted:
 * a parent gets its xid before its children, but may write after them. Xids are 32 bits and wrap around; those of one
 * transaction lie close together, so their difference tells the order.
 */
export class FirstPlaces {
  readonly #xids: number[] = []
  readonly #places: number[] = []
  /** The one that was noted last: most messages are of the same one as the message before. */
  #last: number | null = null

  /** Notes a place if the sub-transaction has none. */
  note(xid: number, place: number): void {
    if (xid === this.#last) return
    this.#last = xid
    const index = this.#indexOf(xid)
    if (this.#xids[index] === xid) return
    if (index === this.#xids.length) {
      this.#xids.push(xid)
      this.#places.push(place)
    } else {
      this.#xids.splice(index, 0, xid)
      this.#places.splice(index, 0, place)
    }
  }

  /** Takes the note away. Null if nothing of the sub-transaction came. */
  take(xid: number): number | null {
    this.#last = null
    const index = this.#indexOf(xid)
    if (this.#xids[index] !== xid) return null
    this.#xids.splice(index, 1)
    const [place] = this.#places.splice(index, 1)
    return place ?? null
  }

  clear(): void {
    this.#last = null
    this.#xids.length = 0
    this.#places.length = 0
  }

  /** Of the first that is not before `xid`. */
  #indexOf(xid: number): number {
    let [low, high] = [0, this.#xids.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (((this.#xids[middle]! - xid) | 0) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
