/** A chunk is read whole, or its reading fails: a connection that breaks at any moment of it leaves nobody waiting. */
import { connect } from '@sluice/postgres'
import { expect, test } from 'vitest'
import { readRange, wholeTable } from '../src/load/chunk-reader.ts'
import type { KeyColumns } from '../src/source/key-columns.ts'
import { LOAD_DDL, visits } from './load-system.ts'
import { openReaderFixture } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

const CUTS = 100
const ROWS = 2_000
/** No machine needs so long for these rows. */
const ANSWER_LIMIT_MS = 10_000
const COLUMNS: KeyColumns = [{ name: 'id', baseType: 'bigint', collation: null }]

test(`cut at ${CUTS} moments, each read of a chunk ends: with every row, or with an error`, async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
  process.stdout.write(`chunk reader: SLUICE_TEST_SEED=${seed}\n`)
  const random = seeded(seed)
  const source = await openReaderFixture('chunk reader', LOAD_DDL)
  const ends = { whole: 0, failed: 0 }
  try {
    await source.source.query(`INSERT INTO visits SELECT g, g FROM generate_series(1, ${ROWS}) g`)
    for (let cut = 0; cut < CUTS; cut += 1) {
      const client = await connect(source.sourceTarget, { applicationName: 'chunk reader' })
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      const scope = wholeTable(visits, COLUMNS, null)
      const read = readRange({ client, target: source.sourceTarget }, scope, null, { chunkRowsMax: ROWS + 1, chunkBytesMax: 1e9 })
      const ended = read.then(
        (chunk) => {
          expect(chunk).toMatchObject({ isLast: true, isCut: false })
          expect(chunk.rows).toHaveLength(ROWS)
          return 'whole' as const
        },
        (error: unknown) => {
          expect(String(error)).toContain('SLU-')
          return 'failed' as const
        },
      )
      await new Promise((resolve) => setTimeout(resolve, random(30)))
      await source.source.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid])
      ends[await withinLimit(ended, cut)] += 1
      await client.end().catch(() => undefined)
    }
  } finally {
    await source.close()
  }
  process.stdout.write(`chunk reader: ${JSON.stringify(ends)}\n`)
  expect(ends.failed).toBeGreaterThan(10)
})

async function withinLimit<T>(ended: Promise<T>, cut: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`after cut ${cut} the read never ended`)), ANSWER_LIMIT_MS)
  try {
    return await Promise.race([ended, late])
  } finally {
    clearTimeout(timer)
  }
}
