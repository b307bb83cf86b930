/**
 * What a relation of the stream is to the lane: a captured table, the outbox, or nothing. Bound once each time PostgreSQL
 * describes the relation.
 */
import { type AggregateName, type Logger, type SentColumns, SluiceError, tableAggregateName } from '@sluice/core'
import type { Capture } from '@sluice/privacy'
import { type OldTuple, type Relation, type Tuple, UNCHANGED } from '@sluice/pgoutput'
import {
  type CapturedTable,
  type LaneDefinition,
  isSameType,
  qualifiedName,
  sentDifferences,
  unknownColumns,
} from '@sluice/system'
import { capturedColumns } from './captured-columns.ts'
import { type OutboxRowReader, createOutboxRowReader, outboxName } from '../source/outbox-table.ts'
import { type RowEncoder, createRowEncoder, unsentColumns } from './row-encoder.ts'
import type { CatalogTable } from '../source/source-catalog.ts'
import type { SourceTypes } from '../source/source-types.ts'
import { hasPrivateColumns } from '../source/table-check.ts'

export interface TableBinding {
  readonly kind: 'table'
  readonly table: CapturedTable
  /** The captured forms of a row's columns. */
  readonly encodeRow: RowEncoder
  /** Those of an old tuple, as far as it holds them. */
  encodeOld(old: OldTuple): string
  /** Set where the relation does not fit the definition. */
  readonly sentColumns: SentColumns | undefined
  /** True if every captured value is in the new tuple or the old one. */
  isWhole(values: Tuple, older?: Tuple): boolean
  /** Captured columns that neither the new tuple has nor the old one, and that the row's last image may have. */
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
  readonly types: SourceTypes
  readonly capture: Capture
  readonly catalog: ReadonlyMap<string, Pick<CatalogTable, 'kind'>>
  readonly logger: Logger
}

export function createRelationBinder(options: BinderOptions): RelationBinder {
  const { lane, types, capture, catalog, logger } = options
  const tables = new Map(lane.tables.map((table) => [qualifiedName(table), table]))
  const outbox = lane.outbox ? qualifiedName(outboxName(lane.outbox)) : null
  const warned = new Set<string>()
  return (relation) => {
    const name = qualifiedName(relation)
    const isPartitioned = catalog.get(name)?.kind === 'p'
    if (name === outbox) return { kind: 'outbox', read: createOutboxRowReader(relation) }
    const table = tables.get(name)
    if (!table) return null
    const warnOnce = (text: string, fields: object, message: string): void => {
      if (warned.has(`${name} ${text}`)) return
      warned.add(`${name} ${text}`)
      logger.warn({ table: name, ...fields }, message)
    }
    const sent = Object.fromEntries(relation.columns.map((column) => [column.name, types.nameOf(column.typeOid)]))
    const differences = sentDifferences(table, sent)
    if (differences.length === 0) {
      for (const column of unknownColumns(table, sent)) {
        warnOnce(column, { column }, 'a column is not in the definition and is left out')
      }
      return bindTable({ table, relation, capture, isPartitioned })
    }
    assertStorable(table, sent, differences)
    const why = differences.join('; ')
    warnOnce(why, { why }, 'a table was changed; its events are stored as they come, and published when the definition fits them')
    return bindTable({ table, relation, capture, isPartitioned, sentColumns: sent })
  }
}

interface BoundRelation {
  readonly table: CapturedTable
  readonly relation: Relation
  readonly capture: Capture
  readonly isPartitioned: boolean
  readonly sentColumns?: SentColumns
}

function bindTable({ table, relation, capture, isPartitioned, sentColumns }: BoundRelation): TableBinding {
  const indexOf = new Map(relation.columns.map((column, index) => [column.name, index]))
  const unknown = sentColumns === undefined ? [] : unknownColumns(table, sentColumns)
  const encoded = [
    ...capturedColumns(table, indexOf, capture),
    ...unknown.map((column) => ({ name: column, index: indexOf.get(column)! })),
  ]
  const keyIndexes = table.key.map((name) => indexOf.get(name)!)
  const [onlyKey] = keyIndexes
  const name = qualifiedName(table)
  const encodeRow = createRowEncoder(encoded)
  // The root's identity says what an old tuple holds, and the partition's own what is in it: with another one there are NULLs that are none.
  const encodeIdentity = createRowEncoder(
    encoded.filter((column) => (isPartitioned ? keyIndexes.includes(column.index) : relation.columns[column.index]!.isIdentity)),
  )
  return {
    kind: 'table',
    table,
    sentColumns,
    encodeRow,
    encodeOld: ({ holds, values }) => (holds === 'row' && !isPartitioned ? encodeRow(values) : encodeIdentity(values)),
    isWhole: (values, older) => !values.includes(UNCHANGED) || unsentColumns(encoded, values, older).length === 0,
    // A retyped column's last image is in the former type; that of a private one may be from before its rule, or sealed for another subject.
    unsent: (values, older) =>
      unsentColumns(encoded, values, older).filter(
        (column) => table.privacy[column] === undefined && keepsType(table, column, sentColumns),
      ),
    tableAggregate: tableAggregateName(name),
    aggregateOf: capture.aggregateNamer(table),
    keyOf: (values, older) => {
      if (keyIndexes.length === 1) return [keyText(name, values[onlyKey!], older?.[onlyKey!])]
      return keyIndexes.map((index) => keyText(name, values[index], older?.[index]))
    },
  }
}

function keepsType(table: CapturedTable, column: string, sent: SentColumns | undefined): boolean {
  return sent === undefined || isSameType(sent[column] ?? '', table.sourceColumns[column]?.sqlType ?? '')
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

/**
 * Without its key a change belongs to no aggregate, and an unknown column of a table with private ones may be one of them.
 *
 * @throws SluiceError SLU-2013 before anything of the changed table is stored
 */
function assertStorable(table: CapturedTable, sent: SentColumns, differences: readonly string[]): void {
  const hasKey = table.key.every((column) => Object.hasOwn(sent, column))
  if (hasKey && !hasPrivateColumns(table)) return
  throw new SluiceError('COLUMN_MISMATCH', {
    what: `table ${qualifiedName(table)} was changed, and its changes no longer fit the definition`,
    why: differences.join('; '),
    ways: [
      'correct the columns in the system definition, then start the reader again: it goes on at the same place',
      'a column that was retyped or dropped: undo that in the source until the reader has passed, or load the table again',
    ],
  })
}
