/** The private shop on real servers: databases of its own, and reader, relay and projectors in this process, which log into one text. */
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createEventDecoder, createSchemaRegistry } from '@sluice/avro'
import { type SluiceError, parseLsn, toSluiceError } from '@sluice/core'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { type MasterKeys, parseMasterKeys } from '@sluice/privacy'
import { createProjector } from '@sluice/projector'
import { provision } from '@sluice/provision'
import { type ReaderLimits, createReader } from '@sluice/reader'
import { type RelayLimits, createRelay } from '@sluice/relay'
import { durableLsnOf, findLane } from '@sluice/store'
import { controlTopicName, lanesOf } from '@sluice/system'
import { createLogger } from '@sluice/telemetry'
import type pg from 'pg'
import { runEngine } from '../harness/run-engine.ts'
import { DatabaseCopy } from './database-copy.ts'
import { PRIVATE_DDL, type PrivateShop, definePrivateShop, privateShopName } from './private-shop.ts'

/** Two keys: the first one wraps. */
const MASTER_KEY_SETTING = `new:${Buffer.alloc(32, 'new key ').toString('base64')},old:${Buffer.alloc(32, 'old key ').toString('base64')}`
export const MASTER_KEYS = parseMasterKeys(MASTER_KEY_SETTING, 'the test')

type DatabaseName = 'monolith' | 'pipeline' | 'crm' | 'mail'

/** Engines at work; any of them that fails makes `until` fail. */
export interface RunningEngines {
  stop(): Promise<void>
}

export class PrivatePipeline implements AsyncDisposable {
  readonly shop: PrivateShop
  readonly brokers = [required('SLUICE_TEST_KAFKA_BROKERS')]
  readonly clients: Record<DatabaseName, pg.Client>
  readonly targets: Readonly<Record<DatabaseName, PostgresTarget>>
  readonly #databases: readonly (readonly [string, TestDatabase])[]
  readonly #copies: DatabaseCopy[] = []
  readonly #running = new Set<RunningEngines>()
  readonly #log: string[] = []
  #failure: SluiceError | null = null
  #moved = Promise.withResolvers<undefined>()

  private constructor(
    shop: PrivateShop,
    databases: Readonly<Record<DatabaseName, TestDatabase>>,
    targets: Readonly<Record<DatabaseName, PostgresTarget>>,
    clients: Record<DatabaseName, pg.Client>,
  ) {
    this.shop = shop
    this.#databases = Object.entries(databases)
    this.targets = targets
    this.clients = clients
  }

  static async open(label: string): Promise<PrivatePipeline> {
    const services = required('SLUICE_TEST_SERVICES_URL')
    const databases = {
      monolith: await createTestDatabase(required('SLUICE_TEST_MONOLITH_URL'), label),
      pipeline: await createTestDatabase(required('SLUICE_TEST_PIPELINE_URL'), label),
      crm: await createTestDatabase(services, label),
      mail: await createTestDatabase(services, label),
    }
    const target = (name: DatabaseName): PostgresTarget => postgresTarget(name, databases[name].url)
    const targets = { monolith: target('monolith'), pipeline: target('pipeline'), crm: target('crm'), mail: target('mail') }
    const client = (name: DatabaseName): Promise<pg.Client> => connect(targets[name], { applicationName: 'test' })
    const clients = {
      monolith: await client('monolith'),
      pipeline: await client('pipeline'),
      crm: await client('crm'),
      mail: await client('mail'),
    }
    const pipeline = new PrivatePipeline(definePrivateShop(privateShopName()), databases, targets, clients)
    await clients.monolith.query(PRIVATE_DDL)
    await provision({
      system: pipeline.shop.system,
      targets: { monolith: targets.monolith, pipeline: targets.pipeline, services: { crm: targets.crm, mail: targets.mail } },
      kafka: pipeline.#kafka('provision'),
      registry: createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') }),
      isDryRun: false,
    })
    return pipeline
  }

  /** Settings of a sluice command that works on this pipeline. */
  get environment(): Readonly<Record<string, string>> {
    const urls = this.#databases.map(([name, { url }]) => [`SLUICE_${name.toUpperCase()}_URL`, url] as const)
    return {
      ...Object.fromEntries(urls),
      SLUICE_SYSTEM: fileURLToPath(new URL('./private-system.ts', import.meta.url)),
      SLUICE_MASTER_KEY: MASTER_KEY_SETTING,
      PRIVATE_SHOP_NAME: this.shop.system.name,
      KAFKA_BROKERS: this.brokers.join(','),
      SCHEMA_REGISTRY_URL: required('SLUICE_TEST_REGISTRY_URL'),
    }
  }

  /** Everything that the engines logged, at level debug. */
  get log(): string {
    return this.#log.join('')
  }

  get topics(): readonly string[] {
    return [...this.shop.topics, controlTopicName(this.shop.system.name, this.#lane.name)]
  }

  /** Starts every engine, or the projectors alone. */
  start(
    options: {
      readonly masterKeys?: MasterKeys
      readonly readerLimits?: Partial<ReaderLimits>
      readonly relayLimits?: Partial<RelayLimits>
      readonly services?: readonly string[]
      readonly projectorsAlone?: boolean
    } = {},
  ): RunningEngines {
    const { system } = this.shop
    const master = options.masterKeys ?? MASTER_KEYS
    const logger = createLogger({ role: 'test', level: 'debug', pretty: false, destination: this.#logSink() })
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    const lane = this.#lane
    const onProgress = (): void => {
      this.#wake()
    }
    const { monolith, pipeline } = this.targets
    const limits = { keepaliveIntervalMs: 20, heartbeatIntervalMs: 50, feedbackIntervalMs: 50, ...options.readerLimits }
    const stopping = new AbortController()
    const upstream = [
      () => createReader({ system, lane, source: monolith, pipeline, masterKeys: master, logger, limits, onProgress }),
      () =>
        createRelay({
          system,
          lane,
          pipeline,
          kafka: this.#kafka('relay'),
          registry,
          limits: options.relayLimits ?? {},
          logger,
          onProgress,
        }),
    ]
    const projectors = (options.services ?? ['crm', 'mail']).map(
      (service) => () =>
        createProjector({
          system,
          service,
          target: service === 'crm' ? this.targets.crm : this.targets.mail,
          kafka: this.#kafka(service),
          decoder: createEventDecoder(registry, system),
          keys: { target: pipeline, master },
          claims: pipeline,
          logger,
          onProgress,
        }),
    )
    const engines = [...(options.projectorsAlone ? [] : upstream), ...projectors]
    const done = engines.map(async (begin) => {
      try {
        await runEngine(begin, stopping.signal, () => {
          logger.warn({}, 'a connection to Kafka broke; the engine begins again')
        })
      } catch (error) {
        this.#failure ??= toSluiceError(error)
        logger.error({ error }, 'an engine ended')
        this.#wake()
      }
    })
    const running = {
      stop: async (): Promise<void> => {
        stopping.abort()
        await Promise.all(done)
        this.#running.delete(running)
      },
    }
    this.#running.add(running)
    return running
  }

  /** A copy of a database as it is now, as a backup has it. No engine may be running. */
  async copyOf(name: DatabaseName): Promise<DatabaseCopy> {
    return this.#apart(name, async (url) => {
      const copy = await DatabaseCopy.take(url, `copy of ${name}`)
      this.#copies.push(copy)
      return copy
    })
  }

  /** Puts a copy in the place of the database that it was taken of. No engine may be running. */
  async restore(name: DatabaseName, copy: DatabaseCopy): Promise<void> {
    await this.#apart(name, () => copy.restore())
  }

  /** Waits until something holds; it is asked again after each report of an engine. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    for (;;) {
      const moved = this.#moved.promise
      if (this.#failure) throw this.#failure
      if (await holds()) return
      await moved
    }
  }

  /** What the monolith committed until now is applied, or parked, in the services. */
  async caughtUp(services: readonly ('crm' | 'mail')[] = ['crm', 'mail']): Promise<void> {
    const { rows } = await this.clients.monolith.query<{ lsn: string }>(
      `SELECT pg_current_wal_insert_lsn()::text AS lsn FROM pg_logical_emit_message(false, 'test', '', true)`,
    )
    const until = parseLsn(rows[0]!.lsn)
    await this.until(async () => {
      const lane = await findLane(this.clients.pipeline, this.shop.system.name, this.#lane.name)
      if (!lane || lane.phase !== 'streaming' || durableLsnOf(lane) < until) return false
      const applied = services.map(async (service) => {
        const positions = await this.clients[service].query<{ reached: boolean }>(
          'SELECT applied_position >= $1 AS reached FROM projector_positions',
          [lane.position.toString()],
        )
        return positions.rows[0]?.reached === true
      })
      return (await Promise.all(applied)).every(Boolean)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) await running.stop()
    await this.clients.monolith.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active',
    )
    await Promise.all(Object.values(this.clients).map((client) => client.end()))
    await Promise.all(this.#databases.map(([, database]) => database.drop()))
    await Promise.all(this.#copies.map((copy) => copy.drop()))
  }

  /** Works on a database while the test is not connected to it. */
  async #apart<Result>(name: DatabaseName, work: (url: string) => Promise<Result>): Promise<Result> {
    await this.clients[name].end()
    const url = this.#databases.find(([known]) => known === name)![1].url
    const result = await work(url)
    this.clients[name] = await connect(this.targets[name], { applicationName: 'test' })
    return result
  }

  get #lane(): ReturnType<typeof lanesOf>[number] {
    return lanesOf(this.shop.system)[0]!
  }

  #kafka(clientId: string): ReturnType<typeof createKafka> {
    const logger = createLogger({ role: 'test', level: 'debug', pretty: false, destination: this.#logSink() })
    return createKafka({ brokers: this.brokers, clientId: `private-${clientId}`, logger })
  }

  #logSink(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#log.push(chunk.toString())
        done()
      },
    })
  }

  #wake(): void {
    this.#moved.resolve(undefined)
    this.#moved = Promise.withResolvers<undefined>()
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}
