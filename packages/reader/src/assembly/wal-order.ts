/**
 * Puts a logical message before the change that follows it in the WAL.
 *
 * PostgreSQL numbers a change by where its record begins, and a logical message by where its record ends: so a message and the change
 * right after it have one LSN. It merges the sub-transactions of a transaction by LSN, and of two things with one LSN either comes first:
 * a message of the transaction itself may come after the change of a savepoint that it was written for (`logicalmsg_decode` and
 * `ReorderBufferIterTXNNext` in PostgreSQL's source; seen on 17.10). Which one is first depends on how the transaction is sent.
 *
 * O1  Given in the order in which they were added, but for messages, which come before all else that has their LSN.
 * O2  Held is what has one LSN: rows of one WAL record, and a message. The caller flushes where a transaction or a stretch ends.
 */
export class WalOrder<Item> {
  readonly #give: (item: Item, walStart: string) => void
  readonly #messages: Item[] = []
  readonly #others: Item[] = []
  #walStart = ''

  constructor(give: (item: Item, walStart: string) => void) {
    this.#give = give
  }

  add(item: Item, walStart: string, isMessage: boolean): void {
    if (walStart !== this.#walStart) this.flush()
    this.#walStart = walStart
    const held = isMessage ? this.#messages : this.#others
    held.push(item)
  }

  flush(): void {
    for (const held of [this.#messages, this.#others]) {
      for (const item of held) this.#give(item, this.#walStart)
      held.length = 0
    }
  }
}
