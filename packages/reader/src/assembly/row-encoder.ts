/**
 * JSON text of a tuple's captured forms, compiled once for a relation: names are escaped beforehand, a row costs one pass and
 * no object. Gives the bytes that `formatEventData` of core would; a value to be encrypted stands there as an unsealed token.
 */
import { type Tuple, UNCHANGED } from '@sluice/pgoutput'

/** What JSON escapes; PostgreSQL sends no lone surrogates. */
const NEEDS_ESCAPE = /["\\\0-\x1f]/

/** A column and its place in the tuples of the relation. */
export interface EncodedColumn {
  readonly name: string
  readonly index: number
  /** Captured form of a value as JSON text; null or absent for a column that is captured in the clear. */
  readonly capture?: ((text: string, values: Tuple, older: Tuple | undefined) => string) | null
}

/** @param older The old tuple, where one was sent: it has what the new one says is unchanged. */
export type RowEncoder = (values: Tuple, older?: Tuple) => string

/** Values that neither tuple has are left out; see `event-data.ts` of core. */
export function createRowEncoder(columns: readonly EncodedColumn[]): RowEncoder {
  const fields = columns.map(({ name, index, capture }) => ({
    index,
    capture: capture ?? null,
    first: `${JSON.stringify(name)}:`,
    next: `,${JSON.stringify(name)}:`,
  }))
  return (values, older) => {
    let text = '{'
    let isFirst = true
    for (const field of fields) {
      let value = values[field.index]
      if (value === UNCHANGED) value = unchangedIn(older, field.index)
      if (value === undefined) continue
      text += isFirst ? field.first : field.next
      if (value === null) text += 'null'
      else text += field.capture === null ? jsonString(value) : field.capture(value, values, older)
      isFirst = false
    }
    return `${text}}`
  }
}

/** Columns whose values neither tuple has. */
export function unsentColumns(columns: readonly EncodedColumn[], values: Tuple, older: Tuple | undefined): readonly string[] {
  return columns
    .filter(({ index }) => values[index] === UNCHANGED && unchangedIn(older, index) === undefined)
    .map(({ name }) => name)
}

/** Only a value that lies out of line is left unsent, which NULL never does: so NULL means that the old tuple is without the column. */
function unchangedIn(older: Tuple | undefined, index: number): string | undefined {
  const value = older?.[index]
  return typeof value === 'string' ? value : undefined
}

export function jsonString(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`
}
