/**
 * Promises 5, 6 and 9 over random tables: changes of rows and of tables that the definition still fits go through reader, relay and
 * projector, over real Kafka and a real registry, and over restarts; what the service holds at the end is what the monolith holds.
 */
import { expect, test } from 'vitest'
import { RANDOM_DDL, RandomSource, randomTables, textRows } from '../../packages/reader/test/random-source.ts'
import { seeded } from '../../packages/reader/test/seeded.ts'
import { LATER_LABEL_DDL, VALUE_TYPES_DDL } from '../../packages/reader/test/value-matrix.ts'
import { CopyPipeline } from './copy-pipeline.ts'

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = 3
const TRANSACTIONS = 120

test('random changes arrive in the service, and every table is equal at the end', async () => {
  process.stdout.write(`random changes: SLUICE_TEST_SEED=${SEED}\n`)
  await using pipeline = await CopyPipeline.open({
    label: 'random',
    monolithDdl: RANDOM_DDL,
    typesDdl: `${VALUE_TYPES_DDL} ${LATER_LABEL_DDL}`,
    tables: (topicOf) =>
      Object.values(randomTables({ typed: topicOf('typed'), labels: topicOf('labels'), places: topicOf('places') })),
  })
  const { monolith, copy, lane } = pipeline
  const changes = new RandomSource({
    random: seeded(SEED),
    publicationName: lane.publicationName,
    breaksDefinition: false,
  })
  const run = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) {
      // A new label has to be known where its rows go, before the first of them is on its way.
      if (statement.startsWith('ALTER TYPE')) await copy.query(statement)
      await monolith.query(statement)
    }
  }
  for (let i = 0; i < 20; i += 1) await run(changes.rows())
  await pipeline.start()
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let i = 0; i < TRANSACTIONS; i += 1) await run(changes.next())
    await pipeline.stop()
    for (let i = 0; i < 5; i += 1) await run(changes.next())
    await pipeline.start()
  }
  await pipeline.caughtUp()
  await pipeline.stop()

  expect(await pipeline.parked()).toEqual([])
  const { rows: met } = await copy.query<{ events: number }>('SELECT count(*)::integer AS events FROM processed_events')
  expect(met[0]!.events).toBeGreaterThan(200)
  process.stdout.write(`random changes: ${met[0]!.events} events\n`)
  for (const table of lane.tables) {
    const [wanted, found] = [await textRows(monolith, table), await textRows(copy, table)]
    expect(found.filter((row) => !wanted.includes(row))).toEqual(wanted.filter((row) => !found.includes(row)))
  }
})
