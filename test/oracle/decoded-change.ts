/**
 * A line of `test_decoding`, PostgreSQL's example of an output plugin, as a change.
 *
 *   table public.proposals: UPDATE: old-key: id[uuid]:'…' new-tuple: id[uuid]:'…' title[text]:'it''s'
 *
 * https://www.postgresql.org/docs/current/test-decoding.html
 */
import type { RowChange } from './row-change.ts'

/** What the tables of a source are called in its events, and their key columns; see `RowChange`. */
export interface CapturedNames {
  /** By the table's qualified name. */
  readonly tables: ReadonlyMap<string, { readonly aggregate: string; readonly key: string }>
  /** Qualified name of the outbox. */
  readonly outbox: string
}

const LINE = /^table (.+?): (INSERT|UPDATE|DELETE|TRUNCATE): (.*)$/s
const OPERATIONS: Readonly<Record<string, string>> = { INSERT: 'c', UPDATE: 'u', DELETE: 'd' }
/** Name, type (which may be an array), and a value: quoted with doubled quotes, or a bare word. */
const COLUMN = /("(?:[^"]|"")*"|[^\s[]+)\[(?:[^[\]]|\[\])*\]:('(?:[^']|'')*'|\S+) ?/y

/** @returns the changes that the line tells of captured tables: none, one, or one for each truncated table */
export function changesOfLine(line: string, names: CapturedNames): readonly RowChange[] {
  const [, relations = '', command = '', rest = ''] = LINE.exec(line) ?? []
  if (command === 'TRUNCATE') {
    return relations.split(', ').flatMap((relation) => {
      const table = names.tables.get(relation)
      return table ? [{ aggregate: table.aggregate, op: 't', key: '', newKey: null }] : []
    })
  }
  if (relations === names.outbox) {
    if (command !== 'INSERT') return []
    const row = columnsOf(rest)
    return [{ aggregate: valueOf(row, 'aggregate_type'), op: 'e', key: valueOf(row, 'aggregate_id'), newKey: null }]
  }
  const table = names.tables.get(relations)
  const op = OPERATIONS[command]
  if (table === undefined || op === undefined) return []
  const [, before, after = ''] = /^old-key: (.*?) new-tuple: (.*)$/s.exec(rest) ?? [null, null, rest]
  const key = valueOf(columnsOf(before ?? after), table.key)
  return [{ aggregate: table.aggregate, op, key, newKey: op === 'u' ? valueOf(columnsOf(after), table.key) : null }]
}

/** Values as text, by column; stops where the line was cut. */
function columnsOf(text: string): ReadonlyMap<string, string> {
  const columns = new Map<string, string>()
  const column = new RegExp(COLUMN)
  for (let found = column.exec(text); found; found = column.exec(text)) {
    const [, name = '', value = ''] = found
    columns.set(name, value.startsWith("'") ? value.slice(1, -1).replaceAll("''", "'") : value)
  }
  return columns
}

function valueOf(columns: ReadonlyMap<string, string>, name: string): string {
  const value = columns.get(name)
  if (value === undefined) throw new Error(`test_decoding told no ${name}, only ${[...columns.keys()].join(', ')}`)
  return value
}
