/**
 * Promise 9, the whole way: every value of every type arrives equal in a service that has the same types, from the load, from the WAL
 * and by updates, in text as PostgreSQL prints it. What has a form of its own in Avro travels in it.
 */
import { type RunningServers, printProgress, startServers } from '@sluice/infra'
import {
  type CapturedTable,
  type ColumnBuilder,
  type TopicDefinition,
  bigint,
  boolean,
  bytea,
  date,
  double,
  integer,
  json,
  jsonb,
  numeric,
  other,
  real,
  smallint,
  table,
  text,
  time,
  timestamp,
  timestamptz,
  uuid,
  varchar,
} from '@sluice/system'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { textRows } from '../../packages/reader/test/random-source.ts'
import {
  LATER_LABEL_DDL,
  TYPES,
  VALUE_COLUMNS,
  VALUE_ROWS,
  VALUE_TYPES_DDL,
  columnOf,
  insertEveryValue,
} from '../../packages/reader/test/value-matrix.ts'
import { CopyPipeline } from './copy-pipeline.ts'

/** The types that are not simply text to Avro, and some that are. */
const BUILDERS: ReadonlyMap<string, ColumnBuilder<false>> = new Map(
  [
    ...[boolean(), smallint(), integer(), bigint(), real(), double(), numeric(14, 2), numeric(), text(), varchar(20), uuid()],
    ...[bytea(), date(), time(), timestamp(), timestamptz(), json(), jsonb()],
  ].map((type) => [type.sqlType, type]),
)

function typedTable(topic: TopicDefinition): CapturedTable {
  const matrix = TYPES.map((type, i) => [columnOf(i), (BUILDERS.get(type) ?? other(type)).nullable()] as const)
  return table('typed', { columns: { id: bigint(), ...Object.fromEntries(matrix) }, key: ['id'], aggregate: 'Typed', topic })
}

async function expectEqualRows({ lane, monolith, copy }: CopyPipeline, rows: number): Promise<void> {
  const captured = lane.tables[0]!
  const [wanted, found] = [await textRows(monolith, captured), await textRows(copy, captured)]
  expect(wanted).toHaveLength(rows)
  expect(found.filter((row) => !wanted.includes(row))).toEqual(wanted.filter((row) => !found.includes(row)))
}

test('every type and edge value is equal in a service of the same types: loaded, inserted, and updated by another value', async () => {
  await using pipeline = await CopyPipeline.open({
    label: 'values',
    monolithDdl: `${VALUE_TYPES_DDL} CREATE TABLE typed (id bigint PRIMARY KEY, ${VALUE_COLUMNS}); ${LATER_LABEL_DDL}`,
    typesDdl: `${VALUE_TYPES_DDL} ${LATER_LABEL_DDL}`,
    tables: (topicOf) => [typedTable(topicOf('typed'))],
  })
  const { monolith } = pipeline
  await monolith.query(insertEveryValue(0))
  await pipeline.start()
  await monolith.query(insertEveryValue(100))
  await monolith.query(insertEveryValue(200))
  // Each of these rows takes the values of the next one, the last but one NULL.
  await monolith.query(
    `UPDATE typed t SET ${TYPES.map((_, i) => `${columnOf(i)} = o.${columnOf(i)}`).join(', ')} FROM typed o WHERE t.id >= 200 AND o.id = t.id + 1`,
  )
  await pipeline.caughtUp()
  await pipeline.stop()
  expect(await pipeline.parked()).toEqual([])
  await expectEqualRows(pipeline, 3 * (VALUE_ROWS + 1))
})

describe('pgvector', () => {
  let server: RunningServers
  beforeAll(async () => {
    server = await startServers({ monolith: true, extensions: ['vector'], onProgress: printProgress(process.stderr) })
  })
  afterAll(async () => {
    await server.stop()
  })

  const VECTOR_COLUMNS: Readonly<Record<string, string>> = {
    small: 'public.vector(3)',
    unbounded: 'public.vector',
    large: 'public.vector(2000)',
    several: 'public.vector(2)[]',
  }
  /** 2,000 numbers that no compression makes small: stored outside of the row. */
  const large = (seed: string): string =>
    `(SELECT array_agg(sin(${seed} + g))::public.vector(2000) FROM generate_series(1, 2000) g)`
  const values = (seed: string): string =>
    `'[1.5,-0,3.4028235e38]', '[1e-38,0.1]', ${large(seed)}, ARRAY['[0.1,2]', NULL]::public.vector(2)[]`

  test('vectors are equal in the event store and in a service, an unchanged large one among them', async () => {
    const typesDdl = 'CREATE EXTENSION vector SCHEMA public'
    const columns = Object.entries(VECTOR_COLUMNS).map(([name, type]) => `"${name}" ${type}`)
    await using pipeline = await CopyPipeline.open({
      label: 'vectors',
      monolithDdl: `${typesDdl}; CREATE TABLE embeddings (id bigint PRIMARY KEY, note text, ${columns.join(', ')})`,
      typesDdl,
      tables: (topicOf) => [
        table('embeddings', {
          columns: {
            id: bigint(),
            note: text().nullable(),
            ...Object.fromEntries(Object.entries(VECTOR_COLUMNS).map(([name, type]) => [name, other(type).nullable()])),
          },
          key: ['id'],
          aggregate: 'Embedding',
          topic: topicOf('embeddings'),
        }),
      ],
      postgresUrl: server.monolith.url,
    })
    const { monolith } = pipeline
    await monolith.query(`INSERT INTO embeddings VALUES (1, 'loaded', ${values('1')})`)
    await monolith.query(`INSERT INTO embeddings (id, large) VALUES (2, ${large('2')})`)
    const { rows: toasted } = await monolith.query<{ bytes: string }>(
      `SELECT pg_relation_size(reltoastrelid) AS bytes FROM pg_class WHERE relname = 'embeddings'`,
    )
    expect(Number(toasted[0]!.bytes)).toBeGreaterThan(16_000)
    await pipeline.start()
    await monolith.query(`INSERT INTO embeddings VALUES (3, 'inserted', ${values('3')})`)
    await monolith.query(`UPDATE embeddings SET large = ${large('4')} WHERE id = 2`)
    await monolith.query(`UPDATE embeddings SET note = 'the vector is as it was'`)
    await pipeline.caughtUp()
    await pipeline.stop()
    expect(await pipeline.parked()).toEqual([])
    await expectEqualRows(pipeline, 3)
    const { rows: stored } = await pipeline.pipeline.query<{ after: Record<string, string | null> }>(
      `SELECT event_data -> 'after' AS after FROM event_store ORDER BY position DESC LIMIT 3`,
    )
    const { rows } = await monolith.query<Record<string, string>>(
      `SELECT id::text, note, ${Object.keys(VECTOR_COLUMNS)
        .map((c) => `"${c}"::text`)
        .join(', ')} FROM public.embeddings ORDER BY id`,
    )
    expect(stored.map(({ after }) => after).sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual(rows)
  })
})
