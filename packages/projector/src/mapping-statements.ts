/**
 * The SQL of a table mapping. Each statement takes rows of the captured table column by column: parameter n is the text
 * array of its n-th source column; those of the fields that tracking columns hold of each row's event come after them. The mapping's
 * expressions run over those rows inside the statement.
 *
 * Every statement that writes answers with one row (expected, written): how many rows had to be written, and how many
 * were. If they differ the service refused silently (a trigger) or lacks a row.
 */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import {
  type CapturedTable,
  type ColumnSource,
  type ColumnType,
  EVENT_FIELDS,
  type EventField,
  type SqlExpression,
  type TableMapping,
  columnsOf,
  isEventField,
  renderSql,
} from '@sluice/system'
import type { TargetColumn } from './target-catalog.ts'

export interface MappingStatement {
  readonly text: string
  /** Source columns whose text arrays are the parameters, in order. */
  readonly parameters: readonly string[]
  /** Fields of each row's event, whose text arrays are the next parameters. */
  readonly fields: readonly EventField[]
}

export type TargetColumns = ReadonlyMap<string, TargetColumn>

const render = (column: string): string => `s.${quoteIdentifier(column)}`
const renderField = (field: string): string => render(`event ${field}`)

/** Columns of the source that a mapping reads, in the order of the source's definition. */
export function columnsRead(mapping: TableMapping): readonly string[] {
  const sources: readonly ColumnSource[] = [...Object.values(mapping.columns), ...(mapping.filter ? [mapping.filter] : [])]
  const read = new Set([...mapping.source.key, ...sources.flatMap(columnsOf)])
  return mapping.source.columnNames.filter((c) => read.has(c))
}

/** Fields of the event that a mapping's tracking columns hold. */
function fieldsRead({ tracking }: TableMapping): readonly EventField[] {
  return [...new Set(Object.values(tracking).flatMap(columnsOf))].filter(isEventField)
}

/** Inserts whole rows or replaces them, where the filter holds. */
export function upsertStatement(mapping: TableMapping, target: TargetColumns): MappingStatement {
  const parameters = columnsRead(mapping)
  const fields = fieldsRead(mapping)
  const columns = [...valuesOf(mapping.columns, render), ...valuesOf(mapping.tracking, renderField)]
  const key = new Set(mapping.targetKey)
  const changed = columns.map(([name]) => name).filter((name) => !key.has(name))
  // With nothing but a key there is nothing to change, but the row has to count as written.
  const set = (changed.length > 0 ? changed : mapping.targetKey).map(
    (c) => `${quoteIdentifier(c)} = excluded.${quoteIdentifier(c)}`,
  )
  const names = columns.map(([name]) => quoteIdentifier(name)).join(', ')
  const values = columns.map(([name, value]) => castTo(target, name, value)).join(', ')
  return {
    parameters,
    fields,
    text: `WITH s AS MATERIALIZED (${rowsOf(mapping.source, parameters, fields)}), w AS (
      INSERT INTO ${quoteQualified(mapping.targetSchema, mapping.target)} (${names}) OVERRIDING SYSTEM VALUE
      SELECT ${values} FROM s ${whereFilter(mapping.filter)}
      ON CONFLICT (${mapping.targetKey.map(quoteIdentifier).join(', ')}) DO UPDATE SET ${set.join(', ')} RETURNING 1)
      ${counts(mapping.filter)}`,
  }
}

/** What an update of rows with unavailable columns can say about a mapping's target. */
export type PartialUpdate =
  | { readonly kind: 'statement'; readonly statement: MappingStatement }
  /** Nothing that the mapping reads is available: nothing of it changed, and it tracks no events. */
  | { readonly kind: 'unchanged' }
  /** Part of what an expression reads is available, part not: its value can't be told. */
  | { readonly kind: 'undecidable'; readonly column: string; readonly unavailable: readonly string[] }

/** Updates existing rows from the columns that are available. An unavailable column is one that did not change. */
export function partialUpdate(mapping: TableMapping, target: TargetColumns, available: ReadonlySet<string>): PartialUpdate {
  const undecidable = findUndecidable(mapping, available)
  if (undecidable) return undecidable
  const key = new Set(mapping.targetKey)
  const changed = Object.entries(mapping.columns).filter(([name, from]) => !key.has(name) && isAvailable(from, available))
  const settable = [...valuesOf(Object.fromEntries(changed), render), ...valuesOf(mapping.tracking, renderField)]
  const filter = mapping.filter && isAvailable(mapping.filter, available) ? mapping.filter : null
  if (settable.length === 0) return { kind: 'unchanged' }
  const parameters = columnsRead(mapping).filter((c) => available.has(c))
  const fields = fieldsRead(mapping)
  const text = `WITH s AS MATERIALIZED (${rowsOf(mapping.source, parameters, fields)}), w AS (
      UPDATE ${quoteQualified(mapping.targetSchema, mapping.target)} AS t SET ${assignments(settable, target)}
      FROM s WHERE ${keyMatch(mapping, target, render)}${filter ? ` AND (${renderSql(filter, render)})` : ''} RETURNING 1)
      ${updateCounts(mapping, filter)}`
  return { kind: 'statement', statement: { text, parameters, fields } }
}

/**
 * Moves one row from an old key to a new one, in place, so that references to it are treated as in the source.
 * Parameters: the available source columns, the event's fields, then the old key's columns.
 */
export function keyChange(mapping: TableMapping, target: TargetColumns, available: ReadonlySet<string>): MappingStatement {
  const parameters = columnsRead(mapping).filter((c) => available.has(c))
  const fields = fieldsRead(mapping)
  const changed = Object.entries(mapping.columns).filter(([, from]) => isAvailable(from, available))
  const settable = [...valuesOf(Object.fromEntries(changed), render), ...valuesOf(mapping.tracking, renderField)]
  const filter = mapping.filter && isAvailable(mapping.filter, available) ? mapping.filter : null
  const row = parameters.map((c, i) => `${parameterRow(mapping.source, c, i)} AS ${quoteIdentifier(c)}`)
  const event = fields.map((f, i) => `($${parameters.length + i + 1}::${EVENT_FIELDS[f]}[])[1] AS ${fieldName(f)}`)
  const before = parameters.length + fields.length
  const oldKey = mapping.source.key.map(
    (c, i) => `${parameterRow(mapping.source, c, before + i)} AS ${quoteIdentifier(`old ${c}`)}`,
  )
  const oldRef = (column: string): string => `s.${quoteIdentifier(`old ${column}`)}`
  return {
    parameters,
    fields,
    text: `WITH s AS MATERIALIZED (SELECT ${[...row, ...event, ...oldKey].join(', ')}),
      w AS (UPDATE ${quoteQualified(mapping.targetSchema, mapping.target)} AS t SET ${assignments(settable, target)}
      FROM s WHERE ${keyMatch(mapping, target, oldRef)}${filter ? ` AND (${renderSql(filter, render)})` : ''} RETURNING 1)
      ${updateCounts(mapping, filter)}`,
  }
}

/** Deletes the rows of a key. All mappings of one table into one target have the same key. */
export function deleteStatement(mapping: TableMapping, target: TargetColumns): MappingStatement {
  const parameters = mapping.source.key
  return {
    parameters,
    fields: [],
    text: `DELETE FROM ${quoteQualified(mapping.targetSchema, mapping.target)} AS t
      USING (${rowsOf(mapping.source, parameters)}) AS s WHERE ${keyMatch(mapping, target, render)}`,
  }
}

/**
 * Deletes the rows that no filter lets in any more; null where every row belongs into the target.
 *
 * @param mappings All mappings of one captured table into one target: a row may leave one and enter another.
 */
export function leaveStatement(mappings: readonly TableMapping[], target: TargetColumns): MappingStatement | null {
  const [first] = mappings
  const filters = mappings.flatMap((m) => (m.filter ? [m.filter] : []))
  if (!first || filters.length < mappings.length) return null
  const read = new Set([...first.source.key, ...filters.flatMap(columnsOf)])
  const parameters = first.source.columnNames.filter((c) => read.has(c))
  const left = filters.map((filter) => `(${renderSql(filter, render)}) IS NOT TRUE`).join(' AND ')
  return {
    parameters,
    fields: [],
    text: `DELETE FROM ${quoteQualified(first.targetSchema, first.target)} AS t
      USING (${rowsOf(first.source, parameters)}) AS s WHERE ${keyMatch(first, target, render)} AND ${left}`,
  }
}

/** Not TRUNCATE: that asks for a lock against readers, is not hidden by their snapshots, and is refused for a referenced table. */
export function truncateStatement(mapping: TableMapping): string {
  return `DELETE FROM ${quoteQualified(mapping.targetSchema, mapping.target)}`
}

/**
 * Reads the key of every row, a text array in the order of the source's key.
 *
 * @returns null where the target may print a value otherwise than the source did
 */
export function keysStatement(mapping: TableMapping, target: TargetColumns): string | null {
  const isPrintedAlike = mapping.targetKey.every((column, i) => {
    const type = mapping.source.columns[mapping.source.key[i]!]!
    return isPrintedAs(bareType(type.sqlType), target.get(column)?.castType ?? '')
  })
  if (!isPrintedAlike) return null
  const texts = mapping.targetKey.map((column) => `t.${quoteIdentifier(column)}::text`)
  return `SELECT ARRAY[${texts.join(', ')}] AS key FROM ${quoteQualified(mapping.targetSchema, mapping.target)} AS t`
}

const INTEGERS: ReadonlySet<string> = new Set(['smallint', 'integer', 'bigint'])
const TEXTS: ReadonlySet<string> = new Set(['text', 'character varying'])

/** No setting changes how these are printed, and no other value of the type is equal. */
function isPrintedAs(source: string, target: string): boolean {
  if (TEXTS.has(target)) return TEXTS.has(source) || INTEGERS.has(source) || source === 'uuid'
  return INTEGERS.has(target) ? INTEGERS.has(source) : source === 'uuid' && target === 'uuid'
}

function bareType(sqlType: string): string {
  const bare = sqlType.replace(/\(.*$/, '')
  return bare === 'varchar' ? 'character varying' : bare
}

function isAvailable(source: ColumnSource, available: ReadonlySet<string>): boolean {
  return columnsOf(source).every((c) => available.has(c))
}

function findUndecidable(mapping: TableMapping, available: ReadonlySet<string>): PartialUpdate | null {
  const sources: readonly (readonly [string, ColumnSource])[] = [
    ...Object.entries(mapping.columns),
    ...(mapping.filter ? [['(filter)', mapping.filter] as const] : []),
  ]
  for (const [column, source] of sources) {
    const unavailable = columnsOf(source).filter((c) => !available.has(c))
    if (unavailable.length > 0 && unavailable.length < columnsOf(source).length)
      return { kind: 'undecidable', column, unavailable }
  }
  return null
}

/** A target column and the SQL of what it gets. */
type ColumnValue = readonly [name: string, value: string]

function valuesOf(columns: TableMapping['columns'], reference: (name: string) => string): readonly ColumnValue[] {
  return Object.entries(columns).map(([name, source]) => [name, renderSql(source, reference)] as const)
}

function assignments(columns: readonly ColumnValue[], target: TargetColumns): string {
  return columns.map(([name, value]) => `${quoteIdentifier(name)} = ${castTo(target, name, value)}`).join(', ')
}

function keyMatch(mapping: TableMapping, target: TargetColumns, ref: (column: string) => string): string {
  return mapping.targetKey
    .map((column, i) => `t.${quoteIdentifier(column)} = ${castTo(target, column, ref(mapping.source.key[i]!))}`)
    .join(' AND ')
}

function castTo(target: TargetColumns, column: string, expression: string): string {
  const type = target.get(column)
  if (!type) throw new RangeError(`the target has no column ${column}`)
  return `(${expression})::${type.castType}`
}

function whereFilter(filter: SqlExpression | null): string {
  return filter ? `WHERE (${renderSql(filter, render)})` : ''
}

function counts(filter: SqlExpression | null): string {
  return `SELECT (SELECT count(*) FROM s ${whereFilter(filter)})::integer AS expected, (SELECT count(*) FROM w)::integer AS written`
}

/** A filter of which nothing changed says that the row is where it was: there if it was there. */
function updateCounts(mapping: TableMapping, available: SqlExpression | null): string {
  if (available !== null || mapping.filter === null) return counts(available)
  return 'SELECT count(*)::integer AS expected, count(*)::integer AS written FROM w'
}

/** `SELECT` of the parameters' rows under the source's column names and types, and of the fields of each row's event. */
function rowsOf(source: CapturedTable, columns: readonly string[], fields: readonly EventField[] = []): string {
  const types = [...columns.map((c) => arrayType(source.columns[c]!)), ...fields.map((f) => `${EVENT_FIELDS[f]}[]`)]
  const names = [
    ...columns.map((c, i) => `${fromArray(source.columns[c]!, `u.c${i}`)} AS ${quoteIdentifier(c)}`),
    ...fields.map((f, i) => `u.c${columns.length + i} AS ${fieldName(f)}`),
  ]
  const arrays = types.map((type, i) => `$${i + 1}::${type}`).join(', ')
  return `SELECT ${names.join(', ')} FROM unnest(${arrays}) AS u (${types.map((_, i) => `c${i}`).join(', ')})`
}

function fieldName(field: EventField): string {
  return quoteIdentifier(`event ${field}`)
}

/** The only value of a parameter's array. */
function parameterRow(source: CapturedTable, column: string, index: number): string {
  const type = source.columns[column]!
  return fromArray(type, `($${index + 1}::${arrayType(type)})[1]`)
}

/** Types that are no arrays themselves and read alike everywhere are given as arrays of their own: one cast less. */
function hasOwnArray(type: ColumnType): boolean {
  return type.avro.form !== 'text' && !type.isSourceOnly
}

function arrayType(type: ColumnType): string {
  return hasOwnArray(type) ? `${type.sqlType}[]` : 'text[]'
}

/** Source-only types stay text, as `verify` sees them too. */
function fromArray(type: ColumnType, value: string): string {
  return hasOwnArray(type) || type.isSourceOnly || type.sqlType === 'text' ? value : `${value}::${type.sqlType}`
}
