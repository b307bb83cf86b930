/**
 * llama-mapper on real servers: reader, relay and projectors in this process. The services' server has pgvector, and whoever works on a
 * service logs in as a member of one of its roles: no superuser but for what `sluice provision` does.
 */
import { createEventDecoder, createSchemaRegistry } from '@sluice/avro'
import { type SluiceError, parseLsn, silentLogger, toSluiceError } from '@sluice/core'
import { type RunningServers, type TestDatabase, createTestDatabase, startServers } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { type PostgresTarget, connect, migrate, postgresTarget } from '@sluice/postgres'
import { parseMasterKeys } from '@sluice/privacy'
import { createProjector } from '@sluice/projector'
import { type ProvisionStep, provision } from '@sluice/provision'
import { createReader } from '@sluice/reader'
import { createRelay } from '@sluice/relay'
import { durableLsnOf, findLane } from '@sluice/store'
import { lanesOf } from '@sluice/system'
import { type VerifyReport, verifySystem } from '@sluice/verify'
import type pg from 'pg'
import system from '../system.ts'

export const SERVICES = ['orchestration', 'analysis', 'mapper'] as const
export type ServiceName = (typeof SERVICES)[number]
/** Kinds of logins that a service has. */
export type Login = 'app' | 'projector' | 'verifier'

const MASTER_KEYS = parseMasterKeys(`test:${Buffer.alloc(32, 'a key ').toString('base64')}`, 'the test')
const PASSWORD = 'not-a-secret-of-anybody'
const [lane] = lanesOf(system)

type DatabaseName = 'monolith' | 'pipeline' | ServiceName
type Databases = Readonly<Record<DatabaseName, TestDatabase>>
type Clients = Readonly<Record<DatabaseName, pg.Client>>

export class LlamaPipeline implements AsyncDisposable {
  readonly brokers = [required('SLUICE_TEST_KAFKA_BROKERS')]
  /** As superuser. */
  readonly clients: Clients
  readonly #databases: Databases
  readonly #servers: RunningServers
  readonly #stopping = new AbortController()
  #engines: readonly Promise<void>[] = []
  #failure: SluiceError | null = null
  #moved = Promise.withResolvers<undefined>()

  private constructor(servers: RunningServers, databases: Databases, clients: Clients) {
    this.#servers = servers
    this.#databases = databases
    this.clients = clients
  }

  /** Databases, with the monolith's tables and nothing else. */
  static async open(): Promise<LlamaPipeline> {
    const servers = await startServers({ services: true, extensions: ['vector'] })
    const create = (server: string, label: string): Promise<TestDatabase> => createTestDatabase(server, `llama ${label}`)
    const databases = {
      monolith: await create(required('SLUICE_TEST_MONOLITH_URL'), 'monolith'),
      pipeline: await create(required('SLUICE_TEST_PIPELINE_URL'), 'pipeline'),
      orchestration: await create(servers.services.url, 'orchestration'),
      analysis: await create(servers.services.url, 'analysis'),
      mapper: await create(servers.services.url, 'mapper'),
    }
    await migrate(postgresTarget('monolith', databases.monolith.url), {
      folder: system.monolith.migrations,
      table: 'schema_migrations',
    })
    const client = (name: keyof typeof databases): Promise<pg.Client> =>
      connect(postgresTarget(name, databases[name].url), { applicationName: 'llama test' })
    return new LlamaPipeline(servers, databases, {
      monolith: await client('monolith'),
      pipeline: await client('pipeline'),
      orchestration: await client('orchestration'),
      analysis: await client('analysis'),
      mapper: await client('mapper'),
    })
  }

  get monolithUrl(): string {
    return this.#databases.monolith.url
  }

  get topics(): readonly string[] {
    return system.monolith.tables.map((t) => t.topic.name)
  }

  /** As an administrator does it; then a login for each role of each service. */
  async provision(): Promise<readonly ProvisionStep[]> {
    const superuser = (name: ServiceName): PostgresTarget => postgresTarget(name, this.#databases[name].url)
    const steps = await provision({
      system,
      targets: {
        monolith: this.#target('monolith'),
        pipeline: this.#target('pipeline'),
        services: Object.fromEntries(SERVICES.map((name) => [name, superuser(name)])),
      },
      kafka: this.#kafka('provision'),
      registry: createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') }),
      masterKeys: MASTER_KEYS,
      isDryRun: false,
    })
    for (const service of SERVICES) {
      for (const login of ['app', 'projector', 'verifier'] as const) {
        const role = `${service}_${login}`
        await this.clients[service].query(`DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}_login') THEN
            CREATE ROLE ${role}_login LOGIN PASSWORD '${PASSWORD}' IN ROLE ${role};
          END IF; END $$`)
      }
    }
    return steps
  }

  /** A service's database as one of its logins reaches it. */
  target(service: ServiceName, login: Login, database: ServiceName = service): PostgresTarget {
    const url = new URL(this.#databases[database].url)
    url.username = `${service}_${login}_login`
    url.password = PASSWORD
    return postgresTarget(service, url.toString())
  }

  /** Work of a login in a service's database; the connection ends with it. */
  async as<Result>(service: ServiceName, login: Login, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = await connect(this.target(service, login), { applicationName: `llama ${login}` })
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  start(): void {
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    const onProgress = (): void => {
      this.#wake()
    }
    const logger = silentLogger
    const pipeline = this.#target('pipeline')
    const limits = { keepaliveIntervalMs: 20, heartbeatIntervalMs: 50, feedbackIntervalMs: 50 }
    const source = this.#target('monolith')
    const engines = [
      createReader({ system, lane: lane!, source, pipeline, masterKeys: MASTER_KEYS, logger, limits, onProgress }),
      createRelay({ system, lane: lane!, pipeline, kafka: this.#kafka('relay'), registry, logger, onProgress }),
      ...SERVICES.map((service) => this.#projector(service, onProgress)),
    ]
    this.#engines = engines.map(async (engine) => {
      try {
        await engine.run(this.#stopping.signal)
      } catch (error) {
        this.#failure ??= toSluiceError(error)
        this.#wake()
      }
    })
  }

  /** Runs one projector until it ends by itself. */
  async projectorEnds(service: ServiceName): Promise<void> {
    const stopping = new AbortController()
    await this.#projector(service, () => stopping.abort()).run(stopping.signal)
  }

  /** What the monolith committed until now is applied in every service, and nothing is parked. */
  async caughtUp(): Promise<void> {
    const { rows } = await this.clients.monolith.query<{ lsn: string }>(
      `SELECT pg_current_wal_insert_lsn()::text AS lsn FROM pg_logical_emit_message(false, 'test', '', true)`,
    )
    const until = parseLsn(rows[0]!.lsn)
    for (;;) {
      const moved = this.#moved.promise
      if (this.#failure) throw this.#failure
      if (await this.#hasReached(until)) return
      await moved
    }
  }

  /** By the services' verifiers. */
  async verify(): Promise<VerifyReport> {
    return verifySystem({
      system,
      targets: {
        monolith: this.#target('monolith'),
        pipeline: this.#target('pipeline'),
        services: Object.fromEntries(SERVICES.map((name) => [name, this.target(name, 'verifier')])),
      },
      kafka: this.#kafka('verify'),
      masterKeys: MASTER_KEYS,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#engines)
    await this.clients.monolith.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active',
    )
    await Promise.all(Object.values(this.clients).map((client) => client.end()))
    await this.#databases.monolith.drop()
    await this.#databases.pipeline.drop()
    await this.#servers.stop()
  }

  #projector(service: ServiceName, onProgress: () => void): ReturnType<typeof createProjector> {
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    return createProjector({
      system,
      service,
      target: this.target(service, 'projector'),
      kafka: this.#kafka(service),
      decoder: createEventDecoder(registry, system),
      logger: silentLogger,
      onProgress,
    })
  }

  async #hasReached(until: bigint): Promise<boolean> {
    const state = await findLane(this.clients.pipeline, system.name, lane!.name)
    if (!state || state.phase !== 'streaming' || durableLsnOf(state) < until) return false
    for (const service of SERVICES) {
      const { rows } = await this.clients[service].query<{ reached: boolean; parked: number }>(
        `SELECT applied_position >= $1 AS reached, (SELECT count(*)::integer FROM parked_events) AS parked FROM projector_positions`,
        [state.position.toString()],
      )
      if (rows[0] && rows[0].parked > 0) throw new Error(await this.#whyParked(service))
      if (rows[0]?.reached !== true) return false
    }
    return true
  }

  async #whyParked(service: ServiceName): Promise<string> {
    const { rows } = await this.clients[service].query<object>('SELECT * FROM parked_events LIMIT 1')
    return `${service} parked an event: ${JSON.stringify(rows[0])}`
  }

  #target(name: 'monolith' | 'pipeline'): PostgresTarget {
    return postgresTarget(name, this.#databases[name].url)
  }

  #kafka(clientId: string): ReturnType<typeof createKafka> {
    return createKafka({ brokers: this.brokers, clientId: `llama-${clientId}`, logger: silentLogger })
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
