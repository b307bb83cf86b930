/**
 * What a relation of the stream is to the lane: a captured table, the outbox, or nothing. Bound once each time PostgreSQL
 * describes the relation.
 */
import { type AggregateName, type Logger, SluiceError, aggregateName } from '@sluice/core'
import type { Capture } from '@sluice/privacy'
import { type Relation, type RelationColumn, type Tuple, UNCHANGED } from '@sluice/pgoutput'
import { type CapturedTable, type LaneDefinition, qualifiedName } from '@sluice/system'
import { capturedColumns } from './captured-columns.ts'
import { type OutboxRowReader, createOutboxRowReader, outboxName } from './outbox-table.ts'
import { type RowEncoder, createRowEncoder, unsentColumns } from './row-encoder.ts'
import type { CatalogColumn, CatalogTable } from './source-catalog.ts'

export interface TableBinding {
  readonly kind: 'table'
  readonly table: CapturedTable
  /** The captured forms of a row's columns. */
  readonly encodeRow: RowEncoder
  /** Those of them that are in the replica identity: what an old tuple of kind `key` holds. */
  readonly encodeIdentity: RowEncoder
  /** Captured columns that neither the new tuple has nor the old one. */
  unsent(values: Tuple, older?: Tuple): readonly string[]
  /** The aggregate that a truncate belongs to. */
  readonly tableAggregate: AggregateName
  /**
   * The key's texts in key order; where the tuple says unchanged, the old tuple has them.
   *
   * @throws SluiceError SLU-2040 if neither has one: then the tuple is not what PostgreSQL sends.
   */
  keyOf(values: Tuple, older?: Tuple): readonly string[]
  /** The aggregate of a key: named by the captured forms of its columns. */
  aggregateOf(key: readonly string[]): AggregateName
}

export interface OutboxBinding {
  readonly kind: 'outbox'
  readonly read: OutboxRowReader
}

export type Binding = TableBinding | OutboxBinding | null

export type RelationBinder = (relation: Relation) => Binding

export interface BinderOptions {
  readonly lane: LaneDefinition
  /** The types that were compared with the definition at the start. */
  readonly catalog: ReadonlyMap<string, CatalogTable>
  readonly capture: Capture
  readonly logger: Logger
}

export function createRelationBinder(options: BinderOptions): RelationBinder {
  const { lane, catalog, capture, logger } = options
  const tables = new Map(lane.tables.map((table) => [qualifiedName(table), table]))
  const outbox = lane.outbox ? qualifiedName(outboxName(lane.outbox)) : null
  const warned = new Set<string>()
  return (relation) => {
    const name = qualifiedName(relation)
    if (name === outbox) return { kind: 'outbox', read: createOutboxRowReader(relation) }
    const table = tables.get(name)
    if (!table) return null
    assertColumns(table, relation, catalog.get(name)?.columns ?? new Map())
    for (const column of relation.columns) {
      const place = `${name}.${column.name}`
      if (Object.hasOwn(table.sourceColumns, column.name) || warned.has(place)) continue
      warned.add(place)
      logger.warn({ table: name, column: column.name }, 'a column is not in the definition and is left out')
    }
    return bindTable(table, relation, capture)
  }
}

function bindTable(table: CapturedTable, relation: Relation, capture: Capture): TableBinding {
  const indexOf = new Map(relation.columns.map((column, index) => [column.name, index]))
  const encoded = capturedColumns(table, indexOf, capture)
  const keyIndexes = table.key.map((name) => indexOf.get(name)!)
  const [onlyKey] = keyIndexes
  const name = qualifiedName(table)
  return {
    kind: 'table',
    table,
    encodeRow: createRowEncoder(encoded),
    encodeIdentity: createRowEncoder(encoded.filter((column) => relation.columns[column.index]!.isIdentity)),
    unsent: (values, older) => unsentColumns(encoded, values, older),
    tableAggregate: aggregateName(['table', name]),
    aggregateOf: capture.aggregateNamer(table),
    keyOf: (values, older) => {
      if (keyIndexes.length === 1) return [keyText(name, values[onlyKey!], older?.[onlyKey!])]
      return keyIndexes.map((index) => keyText(name, values[index], older?.[index]))
    },
  }
}

function keyText(table: string, value: Tuple[number] | undefined, older: Tuple[number] | undefined): string {
  const text = value === UNCHANGED ? older : value
  if (typeof text === 'string') return text
  throw new SluiceError('PROTOCOL_MESSAGE_INVALID', {
    what: `a change of ${table} came without its primary key`,
    why: text === null ? 'a key column is NULL' : 'a key column was not sent',
    ways: [`ALTER TABLE ${table} REPLICA IDENTITY DEFAULT    makes PostgreSQL send the key from then on`],
  })
}

/** @throws SluiceError SLU-2013 before anything of the changed table is stored. */
function assertColumns(table: CapturedTable, relation: Relation, catalog: ReadonlyMap<string, CatalogColumn>): void {
  const sent = new Map(relation.columns.map((column) => [column.name, column]))
  const problems = table.columnNames.flatMap((name) => {
    const column = sent.get(name)
    if (!column) return [`column ${name} is not in the stream`]
    const known = catalog.get(name)
    if (known && !fitsType(column, known)) return [`column ${name} had another type than ${known.type} when the change was made`]
    return []
  })
  if (problems.length === 0) return
  throw new SluiceError('COLUMN_MISMATCH', {
    what: `table ${qualifiedName(table)} was changed, and its changes no longer fit the definition`,
    why: problems.join('; '),
    ways: [
      'correct the columns in the system definition, then start the reader again: it goes on at the same place',
      'a column that was retyped or dropped: undo that in the source until the reader has passed, or load the table again',
    ],
  })
}

/** NUMERICOID */
const NUMERIC_OID = 1700

/**
 * May a value of the sent type be carried as the known one? The same type, and a modifier (length, precision) that allows
 * no more: a change from before a column was widened still fits.
 */
function fitsType(sent: RelationColumn, known: CatalogColumn): boolean {
  if (sent.typeOid !== known.typeOid) return false
  if (sent.typeModifier === known.typeModifier || known.typeModifier === -1) return true
  if (sent.typeModifier === -1) return false
  if (sent.typeOid !== NUMERIC_OID) return sent.typeModifier <= known.typeModifier
  const [a, b] = [numericModifier(sent.typeModifier), numericModifier(known.typeModifier)]
  return a.scale <= b.scale && a.precision - a.scale <= b.precision - b.scale
}

/** Precision in the upper half; scale is signed, in eleven bits. See `numeric_typmod_scale` of PostgreSQL's numeric.c. */
function numericModifier(modifier: number): { readonly precision: number; readonly scale: number } {
  const bits = modifier - 4
  return { precision: (bits >> 16) & 0xffff, scale: ((bits & 0x7ff) ^ 1024) - 1024 }
}
