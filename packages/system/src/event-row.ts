/** Rows of a change, as those who write them need them. */
import type { RowText } from '@sluice/core'
import type { ProjectedEvent } from './projection.ts'

/** The key's old row where an update changed the key, else null. */
export function changedKey({ op, before, after }: ProjectedEvent, key: readonly string[]): RowText | null {
  if (op !== 'u' || before === null || after === null) return null
  return key.some((column) => before[column] !== undefined && before[column] !== after[column]) ? before : null
}

/**
 * The row as the change left it, of a delete the row that was. An unavailable column did not change, so the old row's value, where one
 * was sent, is the new one.
 */
export function availableRow({ op, before, after }: ProjectedEvent): RowText {
  if (op === 'd') return before ?? {}
  return op === 'u' && before !== null ? { ...before, ...after } : (after ?? {})
}
