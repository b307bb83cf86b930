import { type Logger, silentLogger } from '@sluice/core'
import type { Relation } from '@sluice/pgoutput'
import { postgresTarget } from '@sluice/postgres'
import { Capture } from '@sluice/privacy'
import { type LaneDefinition, numeric, table, text, topic, uuid, varchar } from '@sluice/system'
import { describe, expect, test } from 'vitest'
import { createRelationBinder } from './relation-binding.ts'
import type { CatalogTable } from './source-catalog.ts'

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

const CATALOG: ReadonlyMap<string, CatalogTable> = new Map([
  [
    'public.orders',
    {
      oid: 1,
      schema: 'public',
      name: 'orders',
      kind: 'r',
      replicaIdentity: 'd',
      identityIsPrimaryKey: false,
      primaryKey: ['id'],
      isKeyDeferrable: false,
      estimatedRows: 0,
      columns: new Map(
        Object.entries(TYPES).map(([name, [typeOid, typeModifier]]) => [
          name,
          { name, type: name, baseType: name, typeOid, typeModifier, isNotNull: true, isGenerated: false, collation: null },
        ]),
      ),
    },
  ],
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

function binder(logger: Logger = silentLogger) {
  return createRelationBinder({ lane: LANE, catalog: CATALOG, capture: CAPTURE, logger })
}

test('a table that the lane does not have is nothing to it', () => {
  expect(binder()(relation({}, 'other'))).toBeNull()
})

describe('a captured column in the stream', () => {
  test.each([
    ['is as it was', {}],
    ['was narrower when the change was made', { price: [1700, numericModifier(10, 1)], code: [1043, 14] }],
  ] as const)('%s: bound', (_name, changes) => {
    expect(binder()(relation(changes))).toMatchObject({ kind: 'table' })
  })

  test.each([
    ['is missing', { note: null }],
    ['has another type', { note: [1043, -1] }],
    ['is longer', { code: [1043, 34] }],
    ['has no length any more', { code: [1043, -1] }],
    ['has a larger scale', { price: [1700, numericModifier(12, 3)] }],
    ['has fewer digits, but more before the point', { price: [1700, numericModifier(11, 0)] }],
  ] as const)('%s: stopped', (_name, changes) => {
    expect(() => binder()(relation(changes))).toThrow(expect.objectContaining({ code: 'COLUMN_MISMATCH' }) as Error)
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
