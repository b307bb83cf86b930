/** Hands the messages of transactions that are sent whole to the assembler, in the order of the WAL. */
import type { TransactionMessage } from '@sluice/pgoutput'
import type { TransactionAssembler } from './transaction-assembler.ts'
import { WalOrder } from './wal-order.ts'

export class WholeTransactions {
  readonly #assembler: TransactionAssembler
  readonly #order: WalOrder<TransactionMessage>

  constructor(assembler: TransactionAssembler) {
    this.#assembler = assembler
    this.#order = new WalOrder((message, walStart) => {
      assembler.handle(message, walStart)
    })
  }

  /** The last change of a transaction is handled with its commit. @throws SluiceError SLU-2013, SLU-2040 */
  handle(message: TransactionMessage, walStart: string): void {
    const isOfCommit = this.#assembler.isInCommit && message.kind !== 'commit' && message.kind !== 'unknown'
    if (isOfCommit) {
      this.#order.add(message, walStart, message.kind === 'message')
      return
    }
    this.#order.flush()
    this.#assembler.handle(message, walStart)
  }
}
