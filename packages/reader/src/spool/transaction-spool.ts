/**
 * The transactions in progress that PostgreSQL streams: kept until they commit or are rolled back.
 *
 *   stretch:      outside ⇄ (start … stop) in one transaction's
 *   transaction:  (first start) kept → (commit) taken, or (rolled back) dropped
 *
 * P1  Memory: a block a transaction, BUFFERS_BYTES for all together; and two numbers for each sub-transaction that could still be
 *     rolled back alone. Disk: the spool's bound.
 * P2  Nothing here outlives the connection: PostgreSQL sends a transaction again from its beginning, whose commit was not
 *     acknowledged.
 */
import { SluiceError } from '@sluice/core'
import type { StreamAbortMessage, StreamStartMessage } from '@sluice/pgoutput'
import { type SpoolLimits, SpoolSpace } from './spool-space.ts'
import { SpooledTransaction } from './spooled-transaction.ts'

/** What the blocks that are being filled may take together. */
const BUFFERS_BYTES = 8 * 1024 * 1024

export class TransactionSpool {
  readonly #space: SpoolSpace
  readonly #transactions = new Map<number, SpooledTransaction>()
  #current: SpooledTransaction | null = null
  #currentXid = 0

  constructor(limits: SpoolLimits) {
    this.#space = new SpoolSpace(limits)
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#space.bytes
  }

  get limitBytes(): number {
    return this.#space.limitBytes
  }

  /** Transactions that are kept. */
  get transactions(): number {
    return this.#transactions.size
  }

  get isInStretch(): boolean {
    return this.#current !== null
  }

  /** @throws SluiceError SLU-2040 if the transaction goes on and its beginning did not come */
  start({ xid, isFirst }: StreamStartMessage): void {
    if (isFirst) {
      // A server that crashed leaves no abort record; its xid comes again only after that.
      this.drop(xid)
      this.#transactions.set(xid, new SpooledTransaction(xid, this.#space))
    }
    this.#current = this.#known(xid)
    this.#currentXid = xid
  }

  stop(): void {
    this.#current = null
  }

  /**
   * Keeps a message of the stretch.
   *
   * @param xid The sub-transaction; null for a message that does not tell it.
   * @throws SluiceError SLU-2042, SLU-2043
   */
  add(bytes: Buffer, xid: number | null, prefix: string | null): void {
    const current = this.#current!
    current.add(bytes, xid ?? this.#currentXid, prefix)
    if (current.bufferedBytes * this.#transactions.size > BUFFERS_BYTES) this.#keepBuffersSmall()
  }

  abort({ xid, subXid }: StreamAbortMessage): void {
    if (xid === subXid) this.drop(xid)
    else this.#transactions.get(xid)?.rollBack(subXid)
  }

  /** The transaction committed. It stays here until it is dropped. @throws SluiceError SLU-2040 if nothing of it came */
  committed(xid: number): SpooledTransaction {
    return this.#known(xid)
  }

  drop(xid: number): void {
    this.#transactions.get(xid)?.close()
    this.#transactions.delete(xid)
  }

  close(): void {
    for (const xid of this.#transactions.keys()) this.drop(xid)
  }

  #keepBuffersSmall(): void {
    let bytes = 0
    for (const transaction of this.#transactions.values()) bytes += transaction.bufferedBytes
    if (bytes <= BUFFERS_BYTES) return
    for (const transaction of this.#transactions.values()) transaction.release()
  }

  #known(xid: number): SpooledTransaction {
    const transaction = this.#transactions.get(xid)
    if (transaction) return transaction
    throw new SluiceError('PROTOCOL_MESSAGE_INVALID', {
      what: 'a streamed transaction has no beginning',
      why: `transaction ${xid} goes on, and its first stretch did not come on this connection`,
      ways: ['see that nothing between PostgreSQL and the reader changes the stream, then: sluice run reader'],
    })
  }
}
