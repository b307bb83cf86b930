/** Where a handler keeps a granted column in the clear: what it writes is its own code, so the definition says what an erasure overwrites. */
import type { CapturedTable } from './captured-table.ts'

export interface HeldColumn {
  readonly table: CapturedTable
  /** The granted column of `table`. */
  readonly column: string
  readonly targetSchema: string
  readonly target: string
  readonly targetColumn: string
  /** Target column that holds the subject as the event has it: by it an erasure finds the rows. */
  readonly subjectColumn: string
}

export interface HeldColumnOptions {
  readonly into: string
  /** Target column of the subject. */
  readonly subject: string
  /** Target column of the value. @default the column's own name */
  readonly as?: string
  /** @default 'public' */
  readonly schema?: string
}

/** One place of a handler's `holds`: `held(customers, 'phone', { into: 'calls', subject: 'customer_id' })`. */
export function held<Name extends string, Column extends string>(
  table: CapturedTable<Name, Column>,
  column: NoInfer<Column>,
  options: HeldColumnOptions,
): HeldColumn {
  return {
    table,
    column,
    targetSchema: options.schema ?? 'public',
    target: options.into,
    targetColumn: options.as ?? column,
    subjectColumn: options.subject,
  }
}
