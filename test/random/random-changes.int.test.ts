/**
 * Promises 5, 6 and 9 over random tables: changes of rows and of tables that the definition still fits go through reader, relay and
 * projector, over real Kafka and a real registry, and over restarts; what the service holds at the end is what the monolith holds.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createEventDecoder, createSchemaRegistry } from '@sluice/avro'
import { type SluiceError, parseLsn, silentLogger, toSluiceError } from '@sluice/core'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { createProjector } from '@sluice/projector'
import { provision } from '@sluice/provision'
import { createReader } from '@sluice/reader'
import { createRelay } from '@sluice/relay'
import { durableLsnOf, findLane } from '@sluice/store'
import { type CapturedTable, type SystemDefinition, defineSystem, lanesOf, mapTable, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { RANDOM_DDL, RandomSource, randomTables, textRows } from '../../packages/reader/test/random-source.ts'
import { seeded } from '../../packages/reader/test/seeded.ts'

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = 3
const TRANSACTIONS = 120

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}

/** The monolith's tables in one service, each type as the service has it. */
async function defineCopy(): Promise<{ readonly system: SystemDefinition; readonly folder: string }> {
  const name = `random_${randomBytes(4).toString('hex')}`
  const topicOf = (table: string): ReturnType<typeof topic> => topic(`${name}.${table}`, { partitions: 2 })
  const tables = Object.values(randomTables({ typed: topicOf('typed'), labels: topicOf('labels'), places: topicOf('places') }))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-random-'))
  await writeFile(join(folder, '001_tables.sql'), tables.map(createSql).join('\n'))
  const system = defineSystem({
    name,
    avroSchemas: pathToFileURL(`${folder}/`),
    monolith: { tables },
    services: {
      copy: {
        migrations: pathToFileURL(`${folder}/`),
        projections: tables.map((table) => mapTable(table, { into: table.name })),
      },
    },
  })
  return { system, folder }
}

function createSql(table: CapturedTable): string {
  const columns = table.columnNames.map((name) => {
    const { sqlType, isSourceOnly } = table.columns[name]!
    return `${name} ${isSourceOnly ? 'text' : sqlType}`
  })
  return `CREATE TABLE ${table.name} (${columns.join(', ')}, PRIMARY KEY (${table.key.join(', ')}));`
}

interface Databases {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly copy: PostgresTarget
}

/** Everything that runs between the two databases, in this process. */
class Engines {
  readonly #stopping = new AbortController()
  readonly #done: readonly Promise<void>[]
  #failure: SluiceError | null = null
  #moved = Promise.withResolvers<undefined>()

  constructor(system: SystemDefinition, { monolith, pipeline, copy }: Databases) {
    const [lane] = lanesOf(system)
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    const onProgress = (): void => {
      this.#wake()
    }
    const common = { system, logger: silentLogger, onProgress }
    const limits = { keepaliveIntervalMs: 20, heartbeatIntervalMs: 50, feedbackIntervalMs: 50 }
    const engines = [
      createReader({ ...common, lane: lane!, source: monolith, pipeline, limits }),
      createRelay({ ...common, lane: lane!, pipeline, kafka: kafkaOf('relay'), registry }),
      createProjector({
        ...common,
        service: 'copy',
        target: copy,
        kafka: kafkaOf('copy'),
        decoder: createEventDecoder(registry, system),
      }),
    ]
    this.#done = engines.map((engine) =>
      engine.run(this.#stopping.signal).catch((error: unknown) => {
        this.#failure ??= toSluiceError(error)
        this.#wake()
      }),
    )
  }

  /** Asks again after each report of an engine. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    for (;;) {
      const moved = this.#moved.promise
      if (this.#failure !== null) throw this.#failure
      if (await holds()) return
      await moved
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#done)
    if (this.#failure !== null) throw this.#failure
  }

  #wake(): void {
    this.#moved.resolve(undefined)
    this.#moved = Promise.withResolvers<undefined>()
  }
}

function kafkaOf(clientId: string): ReturnType<typeof createKafka> {
  return createKafka({ brokers: [required('SLUICE_TEST_KAFKA_BROKERS')], clientId: `random-${clientId}`, logger: silentLogger })
}

test('random changes arrive in the service, and every table is equal at the end', async () => {
  process.stdout.write(`random changes: SLUICE_TEST_SEED=${SEED}\n`)
  const random = seeded(SEED)
  const { system, folder } = await defineCopy()
  const databases: readonly TestDatabase[] = [
    await createTestDatabase(required('SLUICE_TEST_MONOLITH_URL'), 'random monolith'),
    await createTestDatabase(required('SLUICE_TEST_PIPELINE_URL'), 'random pipeline'),
    await createTestDatabase(required('SLUICE_TEST_SERVICES_URL'), 'random copy'),
  ]
  const targets = {
    monolith: postgresTarget('monolith', databases[0]!.url),
    pipeline: postgresTarget('pipeline', databases[1]!.url),
    copy: postgresTarget('copy', databases[2]!.url),
  }
  const [monolith, pipeline, copy] = await Promise.all(
    Object.values(targets).map((target) => connect(target, { applicationName: 'test' })),
  )
  let engines: Engines | null = null
  try {
    await monolith!.query(RANDOM_DDL)
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    await provision({
      system,
      targets: { ...targets, services: { copy: targets.copy } },
      kafka: kafkaOf('provision'),
      registry,
      isDryRun: false,
    })
    const [lane] = lanesOf(system)
    const changes = new RandomSource({ random, publicationName: lane!.publicationName, breaksDefinition: false })
    const run = async (statements: readonly string[]): Promise<void> => {
      for (const statement of statements) await monolith!.query(statement)
    }
    for (let i = 0; i < 20; i += 1) await run(changes.rows())
    engines = new Engines(system, targets)
    await engines.until(async () => (await findLane(pipeline!, system.name, lane!.name))?.phase === 'streaming')
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let i = 0; i < TRANSACTIONS; i += 1) await run(changes.next())
      await engines.stop()
      for (let i = 0; i < 5; i += 1) await run(changes.next())
      engines = new Engines(system, targets)
    }
    const { rows } = await monolith!.query<{ lsn: string }>(
      `SELECT pg_current_wal_insert_lsn()::text AS lsn FROM pg_logical_emit_message(true, 'test', '')`,
    )
    const end = parseLsn(rows[0]!.lsn)
    await engines.until(async () => {
      const record = await findLane(pipeline!, system.name, lane!.name)
      if (!record || durableLsnOf(record) < end) return false
      const { rows: reached } = await copy!.query<{ reached: boolean }>(
        'SELECT applied_position >= $1 AS reached FROM projector_positions',
        [record.position.toString()],
      )
      return reached[0]?.reached === true
    })
    await engines.stop()
    engines = null

    expect((await copy!.query('SELECT event_type, position, error_code, error_message FROM parked_events')).rows).toEqual([])
    expect((await pipeline!.query('SELECT * FROM relay_parked_events')).rows).toEqual([])
    const { rows: met } = await copy!.query<{ events: number }>('SELECT count(*)::integer AS events FROM processed_events')
    expect(met[0]!.events).toBeGreaterThan(200)
    process.stdout.write(`random changes: ${met[0]!.events} events\n`)
    for (const table of lane!.tables) {
      const [wanted, found] = [await textRows(monolith!, table), await textRows(copy!, table)]
      expect(found.filter((row) => !wanted.includes(row))).toEqual(wanted.filter((row) => !found.includes(row)))
    }
  } finally {
    await engines?.stop().catch(() => undefined)
    await Promise.all([monolith, pipeline, copy].map((client) => client!.end()))
    for (const database of databases) await database.drop()
    await rm(folder, { recursive: true })
  }
})
