/** What the store has to be told of aggregates of one type, for it knows no definitions: they are rows of one captured table. */
import type { RowText, Uuid } from '@sluice/core'

export interface AggregateKind {
  readonly type: string
  /** Captured columns as the definition has them now. */
  readonly columns: readonly string[]
  /** The aggregate that the table's truncates belong to. */
  readonly tableAggregateId: Uuid
  /** The aggregate of a row, by its key. */
  readonly idOf: (row: RowText) => Uuid
}
