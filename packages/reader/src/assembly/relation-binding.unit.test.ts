import { type Logger, silentLogger } from '@sluice/core'
import { type Relation, type Tuple, UNCHANGED } from '@sluice/pgoutput'
import { postgresTarget } from '@sluice/postgres'
import { Capture } from '@sluice/privacy'
import { type LaneDefinition, mask, numeric, table, text, topic, uuid, varchar } from '@sluice/system'
import { describe, expect, test } from 'vitest'
import { createRelationBinder } from './relation-binding.ts'
import { SourceTypes } from '../source/source-types.ts'

const orders = table('orders', {
  columns: { id: uuid(), price: numeric(12, 2), code: varchar(20), note: text() },
  key: ['id'],
  aggregate: 'Order',
  topic: topic('t'),
})

const LANE: LaneDefinition = {
  name: 'monolith',
  source: 'monolith',
  tables: [orders],
  outbox: { topic: topic('o') },
  slotName: 's',
  publicationName: 'p',
}

/** `atttypmod` of numeric(precision, scale). */
const numericModifier = (precision: number, scale: number): number => ((precision << 16) | (scale & 0x7ff)) + 4

const TYPES: Record<string, readonly [oid: number, modifier: number]> = {
  id: [2950, -1],
  price: [1700, numericModifier(12, 2)],
  code: [1043, 24],
  note: [25, -1],
}

const NAMES = new SourceTypes([
  [2950, 'uuid'],
  [1700, 'numeric'],
  [1043, 'character varying'],
  [25, 'text'],
  [23, 'integer'],
])

function relation(changes: Record<string, readonly [number, number] | null> = {}, name = 'orders'): Relation {
  const columns = Object.entries({ ...TYPES, ...changes }).flatMap(([column, type]) =>
    type === null ? [] : [{ name: column, isIdentity: column === 'id', typeOid: type[0], typeModifier: type[1] }],
  )
  return { oid: 1, schema: 'public', name, replicaIdentity: 'default', columns }
}

const CAPTURE = await Capture.open({
  system: 'shop',
  tables: LANE.tables,
  pipeline: postgresTarget('pipeline', 'postgresql://localhost/none'),
  master: null,
  applicationName: 'test',
})

function binder(logger: Logger = silentLogger, kind = 'r') {
  const catalog = new Map([['public.orders', { kind }]])
  return createRelationBinder({ lane: LANE, types: NAMES, capture: CAPTURE, catalog, logger })
}

test('a table that the lane does not have is nothing to it', () => {
  expect(binder()(relation({}, 'other'))).toBeNull()
})

describe('a captured column in the stream', () => {
  test.each([
    ['is as it was', {}],
    ['was narrower when the change was made', { price: [1700, numericModifier(10, 1)], code: [1043, 14] }],
    ['is wider, which its Avro type carries', { price: [1700, numericModifier(20, 6)], code: [1043, 304] }],
    ['is text of another name', { note: [1043, -1], code: [25, -1] }],
  ] as const)('%s: fits', (_name, changes) => {
    expect(binder()(relation(changes))).toMatchObject({ kind: 'table', sentColumns: undefined })
  })

  test.each([
    ['is missing', { note: null }, ['id', 'price', 'code']],
    ['has another type', { note: [23, -1] }, ['id', 'price', 'code', 'note']],
    ['has another name', { note: null, memo: [25, -1] }, ['id', 'price', 'code', 'memo']],
  ] as const)('%s: stored with the columns that came', (_name, changes, columns) => {
    const binding = binder()(relation(changes))
    expect(binding).toMatchObject({ kind: 'table' })
    if (binding?.kind !== 'table') throw new Error('no table')
    expect(Object.keys(binding.sentColumns ?? {})).toEqual(columns)
    expect(JSON.parse(binding.encodeRow(columns.map((_column, i) => `v${i}`)))).toEqual(
      Object.fromEntries(columns.map((column, i) => [column, `v${i}`])),
    )
  })

  test('is the key, and is missing: stopped', () => {
    expect(() => binder()(relation({ id: null, number: [23, -1] }))).toThrow(
      expect.objectContaining({ code: 'COLUMN_MISMATCH' }) as Error,
    )
  })

  test('is missing in a table with private columns: stopped, since an unknown column may be one of them', () => {
    const masked = { ...orders, privacy: { note: { kind: 'mask' as const, placeholder: '*', keepLast: 0 } } }
    const bind = createRelationBinder({
      lane: { ...LANE, tables: [masked] },
      types: NAMES,
      capture: CAPTURE,
      catalog: new Map(),
      logger: silentLogger,
    })
    expect(() => bind(relation({ note: null, memo: [25, -1] }))).toThrow(
      expect.objectContaining({ code: 'COLUMN_MISMATCH' }) as Error,
    )
  })
})

test('a column that the definition does not have is told once', () => {
  const warnings: object[] = []
  const bind = binder({ ...silentLogger, warn: (fields) => warnings.push(fields) })
  bind(relation({ extra: [23, -1] }))
  bind(relation({ extra: [23, -1] }))
  expect(warnings).toEqual([{ table: 'public.orders', column: 'extra' }])
})

test('an outbox table without the columns of an event is refused', () => {
  expect(() => binder()(relation({}, 'outbox'))).toThrow(
    expect.objectContaining({
      code: 'COLUMN_MISMATCH',
      why: 'it has no column aggregate_type, aggregate_id, event_type, payload',
    }) as Error,
  )
})

test('an unchanged value is asked of the last image, unless it is private: the image may be from before its rule', () => {
  const people = table('people', {
    columns: { id: uuid(), story: text(), letter: text() },
    key: ['id'],
    aggregate: 'Person',
    privacy: { letter: mask('***') },
    topic: topic('t'),
  })
  const bind = createRelationBinder({
    lane: { ...LANE, tables: [people] },
    types: NAMES,
    capture: CAPTURE,
    catalog: new Map(),
    logger: silentLogger,
  })
  const columns = ['id', 'story', 'letter'].map((name) => {
    return { name, isIdentity: name === 'id', typeOid: name === 'id' ? 2950 : 25, typeModifier: -1 }
  })
  const binding = bind({ oid: 2, schema: 'public', name: 'people', replicaIdentity: 'default', columns })
  if (binding?.kind !== 'table') throw new Error('the table is not bound')
  expect(binding.unsent(['7', UNCHANGED, UNCHANGED])).toEqual(['story'])
})

test('an old row of a partitioned table tells its key alone: the root’s identity may be FULL and that of the partition not', () => {
  const full = {
    ...relation(),
    replicaIdentity: 'full' as const,
    columns: relation().columns.map((c) => ({ ...c, isIdentity: true })),
  }
  const old = { holds: 'row' as const, values: ['7', null, null, null] }
  const [plain, root] = [binder()(full), binder(silentLogger, 'p')(full)]
  if (plain?.kind !== 'table' || root?.kind !== 'table') throw new Error('the table is not bound')
  expect(JSON.parse(plain.encodeOld(old))).toEqual({ id: '7', price: null, code: null, note: null })
  expect(JSON.parse(root.encodeOld(old))).toEqual({ id: '7' })
  const moved: Tuple = ['8', '1', 'c', UNCHANGED]
  expect([root.isWhole(moved, old.values), root.isWhole(moved, ['7', null, null, 'large'])]).toEqual([false, true])
})
