/**
 * Captured tables in one service that has them as they are, under the same names and types: reader, relay and projector between the
 * two run in this process, over real servers, and may be stopped and started again.
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
import {
  type CapturedTable,
  type LaneDefinition,
  type SystemDefinition,
  type TopicDefinition,
  defineSystem,
  lanesOf,
  mapTable,
  topic,
} from '@sluice/system'
import type pg from 'pg'
import { runEngine } from '../harness/run-engine.ts'

export interface CopyPipelineOptions {
  readonly label: string
  /** Types and tables of the monolith. */
  readonly monolithDdl: string
  /** What the types of the service's tables need, before these are made. */
  readonly typesDdl: string
  /** @param topicOf Makes a topic of this pipeline's own. */
  readonly tables: (topicOf: (name: string) => TopicDefinition) => readonly CapturedTable[]
  /** Server of the monolith's and the service's database. @default those of the test run */
  readonly postgresUrl?: string
}

type Databases = Readonly<Record<'monolith' | 'pipeline' | 'copy', TestDatabase>>

export class CopyPipeline implements AsyncDisposable {
  readonly system: SystemDefinition
  readonly lane: LaneDefinition
  readonly monolith: pg.Client
  readonly pipeline: pg.Client
  readonly copy: pg.Client
  readonly #databases: Databases
  readonly #folder: string
  #engines: Engines | null = null

  private constructor(
    system: SystemDefinition,
    folder: string,
    databases: Databases,
    [monolith, pipeline, copy]: readonly pg.Client[],
  ) {
    this.system = system
    this.lane = lanesOf(system)[0]!
    this.monolith = monolith!
    this.pipeline = pipeline!
    this.copy = copy!
    this.#databases = databases
    this.#folder = folder
  }

  /** Everything is provisioned, and nothing runs yet. */
  static async open(options: CopyPipelineOptions): Promise<CopyPipeline> {
    const { label, monolithDdl, postgresUrl } = options
    const { system, folder } = await defineCopy(options)
    const databases = {
      monolith: await createTestDatabase(postgresUrl ?? required('SLUICE_TEST_MONOLITH_URL'), `${label} monolith`),
      pipeline: await createTestDatabase(required('SLUICE_TEST_PIPELINE_URL'), `${label} pipeline`),
      copy: await createTestDatabase(postgresUrl ?? required('SLUICE_TEST_SERVICES_URL'), `${label} copy`),
    }
    const { monolith, pipeline, copy } = targetsOf(databases)
    const clients = await Promise.all([monolith, pipeline, copy].map((target) => connect(target, { applicationName: 'test' })))
    const opened = new CopyPipeline(system, folder, databases, clients)
    await opened.monolith.query(monolithDdl)
    await provision({
      system,
      targets: { monolith, pipeline, services: { copy } },
      kafka: kafkaOf('provision'),
      registry: createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') }),
      isDryRun: false,
    })
    return opened
  }

  /** Resolves when the tables are loaded and the reader streams. */
  async start(): Promise<void> {
    this.#engines = new Engines(this.system, this.lane, targetsOf(this.#databases))
    await this.#engines.until(
      async () => (await findLane(this.pipeline, this.system.name, this.lane.name))?.phase === 'streaming',
    )
  }

  async stop(): Promise<void> {
    const engines = this.#engines
    this.#engines = null
    await engines?.stop()
  }

  /** Everything that the monolith committed until now is applied in the service. */
  async caughtUp(): Promise<void> {
    const { rows } = await this.monolith.query<{ lsn: string }>(
      `SELECT pg_current_wal_insert_lsn()::text AS lsn FROM pg_logical_emit_message(true, 'test', '')`,
    )
    const end = parseLsn(rows[0]!.lsn)
    await this.#engines!.until(async () => {
      const record = await findLane(this.pipeline, this.system.name, this.lane.name)
      if (!record || durableLsnOf(record) < end) return false
      const { rows: reached } = await this.copy.query<{ reached: boolean }>(
        'SELECT applied_position >= $1 AS reached FROM projector_positions',
        [record.position.toString()],
      )
      return reached[0]?.reached === true
    })
  }

  /** What is parked on the way; nothing, if everything arrived. */
  async parked(): Promise<readonly unknown[]> {
    const service = await this.copy.query<object>('SELECT event_type, position, error_code, error_message FROM parked_events')
    const relay = await this.pipeline.query<object>('SELECT * FROM relay_parked_events')
    return [...service.rows, ...relay.rows]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined)
    await Promise.all([this.monolith, this.pipeline, this.copy].map((client) => client.end()))
    for (const database of Object.values(this.#databases)) await database.drop()
    await rm(this.#folder, { recursive: true })
  }
}

async function defineCopy({
  label,
  typesDdl,
  tables: tablesOf,
}: CopyPipelineOptions): Promise<{ readonly system: SystemDefinition; readonly folder: string }> {
  const name = `${label}_${randomBytes(4).toString('hex')}`
  const tables = tablesOf((table) => topic(`${name}.${table}`, { partitions: 2 }))
  const folder = await mkdtemp(join(tmpdir(), `sluice-${label}-`))
  await writeFile(join(folder, '001_tables.sql'), [typesDdl, ...tables.map(createSql)].join(';\n'))
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
  const columns = table.columnNames.map((name) => `${name} ${table.columns[name]!.sqlType}`)
  return `CREATE TABLE ${table.name} (${columns.join(', ')}, PRIMARY KEY (${table.key.join(', ')}))`
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}

type Targets = Readonly<Record<keyof Databases, PostgresTarget>>

function targetsOf({ monolith, pipeline, copy }: Databases): Targets {
  return {
    monolith: postgresTarget('monolith', monolith.url),
    pipeline: postgresTarget('pipeline', pipeline.url),
    copy: postgresTarget('copy', copy.url),
  }
}

function kafkaOf(clientId: string): ReturnType<typeof createKafka> {
  return createKafka({ brokers: [required('SLUICE_TEST_KAFKA_BROKERS')], clientId: `copy-${clientId}`, logger: silentLogger })
}

/** Everything that runs between the two databases, until it is stopped. */
class Engines {
  readonly #stopping = new AbortController()
  readonly #done: readonly Promise<void>[]
  #failure: SluiceError | null = null
  #moved = Promise.withResolvers<undefined>()

  constructor(system: SystemDefinition, lane: LaneDefinition, { monolith, pipeline, copy }: Targets) {
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    const onProgress = (): void => {
      this.#wake()
    }
    const common = { system, logger: silentLogger, onProgress }
    const limits = { keepaliveIntervalMs: 20, heartbeatIntervalMs: 50, feedbackIntervalMs: 50 }
    const engines = [
      () => createReader({ ...common, lane, source: monolith, pipeline, limits }),
      () => createRelay({ ...common, lane, pipeline, kafka: kafkaOf('relay'), registry }),
      () =>
        createProjector({
          ...common,
          service: 'copy',
          target: copy,
          kafka: kafkaOf('copy'),
          decoder: createEventDecoder(registry, system),
        }),
    ]
    this.#done = engines.map((begin) =>
      runEngine(begin, this.#stopping.signal).catch((error: unknown) => {
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
