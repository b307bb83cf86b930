/** Does a change, with the columns that it came with, fit the definition of its table? Reader and relay ask the same. */
import type { SentColumns } from '@sluice/core'
import type { CapturedTable } from './captured-table.ts'

/** Length, precision and scale: a value of any of them is carried by the same Avro type, or refused alone. */
const MODIFIER = / ?\([^)]*\)/
const PUBLIC = /^public\./
/** One is as good as the other in text. */
const TEXT_TYPES: ReadonlySet<string> = new Set(['text', 'character varying'])

/** What of the columns keeps the change from being an event as the definition has it; nothing if it fits. */
export function sentDifferences(table: CapturedTable, sent: SentColumns): readonly string[] {
  return table.columnNames.flatMap((name) => {
    const type = sent[name]
    const wanted = table.sourceColumns[name]?.sqlType ?? ''
    if (type === undefined) return [`column ${name} did not come`]
    return isSameType(type, wanted) ? [] : [`column ${name} came as ${type}, the definition says ${wanted}`]
  })
}

/** Columns that came and that the definition does not have. */
export function unknownColumns(table: CapturedTable, sent: SentColumns): readonly string[] {
  return Object.keys(sent).filter((name) => !Object.hasOwn(table.sourceColumns, name))
}

export function isSameType(sent: string, wanted: string): boolean {
  const [a, b] = [plainType(sent), plainType(wanted)]
  return a === b || (TEXT_TYPES.has(a) && TEXT_TYPES.has(b))
}

/** The type without what only bounds it: `format_type` writes two types in another way where there is no length. */
function plainType(type: string): string {
  const plain = type.replace(MODIFIER, '').replace(PUBLIC, '')
  if (plain.startsWith('interval ')) return plain.endsWith('[]') ? 'interval[]' : 'interval'
  return plain.replace(/^bpchar/, 'character').replace(/^"bit"/, 'bit')
}
