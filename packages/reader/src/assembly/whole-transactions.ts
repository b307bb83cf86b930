/** Puts the messages of transactions that are sent whole into the order of the WAL. */
import type { TransactionMessage } from '@sluice/pgoutput'
import { WalOrder } from './wal-order.ts'

export class WholeTransactions {
  readonly #give: (message: TransactionMessage, walStart: string) => void
  readonly #order: WalOrder<TransactionMessage>
  #isInCommit = false

  constructor(give: (message: TransactionMessage, walStart: string) => void) {
    this.#give = give
    this.#order = new WalOrder(give)
  }

  /** True from a transaction's beginning until its commit was given. */
  get isInCommit(): boolean {
    return this.#isInCommit
  }

  /** Gives what has another LSN; the last change of a transaction is given with its commit. @throws what the receiver throws */
  add(message: TransactionMessage, walStart: string): void {
    if (this.#isInCommit && message.kind !== 'commit' && message.kind !== 'unknown') {
      this.#order.add(message, walStart, message.kind === 'message')
      return
    }
    this.#order.flush()
    if (message.kind === 'begin') this.#isInCommit = true
    if (message.kind === 'commit') this.#isInCommit = false
    this.#give(message, walStart)
  }
}
