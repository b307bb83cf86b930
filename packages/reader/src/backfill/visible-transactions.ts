/**
 * Which transactions a query sees: what `pg_current_snapshot()` says.
 *
 * The stream names a transaction by 32 bits, the server here by 64. Of all transactions that may be open or just committed none
 * is further from another than 2^31, so the difference of the lower halves tells the upper one.
 *
 * https://www.postgresql.org/docs/17/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 */
export class VisibleTransactions {
  /** Every transaction before it has ended. */
  readonly oldestOpen: bigint
  /** None from here on is seen. */
  readonly end: bigint
  readonly #open: ReadonlySet<bigint>

  /** @param text `xmin:xmax:xid,xid,…` */
  constructor(text: string) {
    const [oldest, end, open] = text.split(':')
    this.oldestOpen = BigInt(oldest!)
    this.end = BigInt(end!)
    this.#open = new Set(open === undefined || open === '' ? [] : open.split(',').map(BigInt))
  }

  /** @param xid Of a transaction (not a sub-transaction), as the stream names it. */
  sees(xid: number): boolean {
    const full = this.#fullXid(xid)
    if (full < this.oldestOpen) return true
    return full < this.end && !this.#open.has(full)
  }

  /** The transaction of that lower half which is nearest to the end. */
  #fullXid(xid: number): bigint {
    return this.end + BigInt((xid - Number(this.end & 0xffff_ffffn)) | 0)
  }
}
