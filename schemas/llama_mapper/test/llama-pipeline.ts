/**
 * llama-mapper on real servers: reader, relay and projectors in this process. The services' server has pgvector, and whoever works on a
 * service logs in as a member of one of its roles: no superuser but for what `sluice provision` does.
 */
import { createEventDecoder, createSchemaRegistry } from '@sluice/avro'
import { type SluiceError, parseLsn, silentLogger, toSluiceError } from '@sluice/core'
import { type RunningServers, type TestDatabase, createTestDatabase, startServers } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { type PostgresTarget, connect, migrate, postgresTarget } from '@sluice/postgres'
import { type ErasureReport, eraseSubject, parseMasterKeys } from '@sluice/privacy'
import { createProjector, migrateService } from '@sluice/projector'
import { type ProvisionStep, provision } from '@sluice/provision'
import { createReader } from '@sluice/reader'
import { createRelay } from '@sluice/relay'
import { durableLsnOf, findLane } from '@sluice/store'
import { type SystemDefinition, decrypt, defineSystem, lanesOf } from '@sluice/system'
import { type VerifyReport, verifySystem } from '@sluice/verify'
import type pg from 'pg'
import { runEngine } from '../../../test/harness/run-engine.ts'
import system from '../system.ts'
import { auditLog } from '../tables.ts'
import { type Login, type Logins, SERVICES, type ServiceName, TEST_LOGINS, urlAs } from './logins.ts'

const MASTER_KEYS = parseMasterKeys(`test:${Buffer.alloc(32, 'a key ').toString('base64')}`, 'the test')
const [lane] = lanesOf(system)
/** Topics have the system's names, so each pipeline has a Kafka of its own: one that knew another store's lane would be refused. */
export const OWN_SERVERS = { services: true, kafka: true, extensions: ['vector'] } as const
/** With one service more, which is granted what the others hold sealed. */
const withDesk = defineSystem({
  ...system,
  services: {
    ...system.services,
    desk: { ...system.services.orchestration, decrypt: [decrypt(auditLog, { actor_email: '[erased]' })] },
  },
})

export type DatabaseName = 'monolith' | 'pipeline' | ServiceName

/** Databases of a pipeline, the monolith's with its tables. */
export interface LlamaDatabases {
  readonly servers: RunningServers
  /** As superuser. */
  readonly urls: Readonly<Record<DatabaseName, string>>
  readonly logins: Logins
  /** Those that are not on `servers`. */
  readonly elsewhere: readonly TestDatabase[]
}

/** A service that reads what the three can not. */
interface Desk {
  readonly target: PostgresTarget
  readonly client: pg.Client
}

export class LlamaPipeline implements AsyncDisposable {
  readonly brokers: readonly string[]
  /** As superuser. */
  readonly clients: Readonly<Record<DatabaseName, pg.Client>>
  readonly #databases: LlamaDatabases
  readonly #stopping = new AbortController()
  readonly #engines: Promise<void>[] = []
  #hasLogins = false
  #desk: Desk | null = null
  #failure: SluiceError | null = null
  #moved = Promise.withResolvers<undefined>()

  private constructor(databases: LlamaDatabases, clients: Readonly<Record<DatabaseName, pg.Client>>) {
    this.#databases = databases
    this.brokers = [databases.servers.kafka.url]
    this.clients = clients
  }

  /** Databases, with the monolith's tables and nothing else. */
  static async open(make: () => Promise<LlamaDatabases> = makeDatabases): Promise<LlamaPipeline> {
    const databases = await make()
    const client = (name: DatabaseName): Promise<pg.Client> =>
      connect(postgresTarget(name, databases.urls[name]), { applicationName: 'llama test' })
    return new LlamaPipeline(databases, {
      monolith: await client('monolith'),
      pipeline: await client('pipeline'),
      orchestration: await client('orchestration'),
      analysis: await client('analysis'),
      mapper: await client('mapper'),
    })
  }

  superuserUrl(name: DatabaseName): string {
    return this.#databases.urls[name]
  }

  get topics(): readonly string[] {
    return system.monolith.tables.map((t) => t.topic.name)
  }

  /** As the owners of the databases do it; then the logins of each service, once. */
  async provision(): Promise<readonly ProvisionStep[]> {
    const steps = await provision({
      system,
      targets: {
        monolith: this.#target('monolith'),
        pipeline: this.#target('pipeline'),
        services: Object.fromEntries(SERVICES.map((name) => [name, this.ownerTarget(name)])),
      },
      kafka: this.#kafka('provision'),
      registry: createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') }),
      masterKeys: MASTER_KEYS,
      isDryRun: false,
    })
    const { logins } = this.#databases
    if (!this.#hasLogins) for (const name of SERVICES) await runOn(this.ownerTarget(name), logins.statements(name))
    this.#hasLogins = true
    return steps
  }

  ownerTarget(name: ServiceName): PostgresTarget {
    const { urls, logins } = this.#databases
    return postgresTarget(name, urlAs(urls[name], logins.owner(name)))
  }

  /** A service's database as one of its logins reaches it. */
  url(service: ServiceName, login: Login, database: ServiceName = service): string {
    const { urls, logins } = this.#databases
    return urlAs(urls[database], logins.of(service, login))
  }

  target(service: ServiceName, login: Login, database: ServiceName = service): PostgresTarget {
    return postgresTarget(service, this.url(service, login, database))
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
      () => createReader({ system, lane: lane!, source, pipeline, masterKeys: MASTER_KEYS, logger, limits, onProgress }),
      () => createRelay({ system, lane: lane!, pipeline, kafka: this.#kafka('relay'), registry, logger, onProgress }),
      ...SERVICES.map((service) => () => this.#projector(service, this.target(service, 'projector'), onProgress)),
    ]
    for (const begin of engines) this.#run(begin)
  }

  /** Makes a service from what the topics hold that is granted the addresses of actors. Its database, as superuser. */
  async startDesk(): Promise<pg.Client> {
    const database = await createTestDatabase(this.#databases.servers.services.url, 'llama desk')
    const target = postgresTarget('desk', database.url)
    await migrateService(target, withDesk.services.desk)
    const client = await connect(target, { applicationName: 'llama test' })
    this.#desk = { target, client }
    this.#run(() =>
      this.#projector('desk', target, () => {
        this.#wake()
      }),
    )
    return client
  }

  /** Runs one projector until it ends by itself. */
  async projectorEnds(service: ServiceName, target = this.target(service, 'projector')): Promise<void> {
    const stopping = new AbortController()
    await this.#projector(service, target, () => stopping.abort()).run(stopping.signal)
  }

  /** What the monolith committed until now is applied in every service, and nothing is parked. */
  async caughtUp(): Promise<void> {
    // By its commit it is in the WAL on the disk, which the reader waits for.
    await this.clients.monolith.query(`SELECT pg_logical_emit_message(true, 'test', '')`)
    const { rows } = await this.clients.monolith.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn')
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
      system: this.#system,
      targets: this.#everywhere('verifier'),
      kafka: this.#kafka('verify'),
      masterKeys: MASTER_KEYS,
    })
  }

  /** As `sluice erase` does it, by the logins that the processes have. */
  async erase(subject: string): Promise<ErasureReport> {
    const places = { system: this.#system, ...this.#everywhere('projector'), master: MASTER_KEYS }
    return eraseSubject(places, { kind: 'person', subject, requestedBy: 'test', isDryRun: false })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#engines)
    await this.clients.monolith.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active',
    )
    await this.#desk?.client.end()
    await Promise.all(Object.values(this.clients).map((client) => client.end()))
    for (const database of this.#databases.elsewhere) await database.drop()
    await this.#databases.servers.stop()
  }

  get #system(): SystemDefinition {
    return this.#desk === null ? system : withDesk
  }

  /** Every database as those reach it who work on all of them. The desk has no roles. */
  #everywhere(login: Login) {
    const services = SERVICES.map((name): [string, PostgresTarget] => [name, this.target(name, login)])
    if (this.#desk !== null) services.push(['desk', this.#desk.target])
    return { monolith: this.#target('monolith'), pipeline: this.#target('pipeline'), services: Object.fromEntries(services) }
  }

  #run(begin: Parameters<typeof runEngine>[0]): void {
    const end = async (): Promise<void> => {
      try {
        await runEngine(begin, this.#stopping.signal)
      } catch (error) {
        this.#failure ??= toSluiceError(error)
        this.#wake()
      }
    }
    this.#engines.push(end())
  }

  #projector(service: ServiceName | 'desk', target: PostgresTarget, onProgress: () => void): ReturnType<typeof createProjector> {
    const registry = createSchemaRegistry({ url: required('SLUICE_TEST_REGISTRY_URL') })
    return createProjector({
      system: this.#system,
      service,
      target,
      keys: service === 'desk' ? { target: this.#target('pipeline'), master: MASTER_KEYS } : null,
      kafka: this.#kafka(service),
      decoder: createEventDecoder(registry, system),
      logger: silentLogger,
      onProgress,
    })
  }

  async #hasReached(until: bigint): Promise<boolean> {
    const state = await findLane(this.clients.pipeline, system.name, lane!.name)
    if (!state || state.phase !== 'streaming' || durableLsnOf(state) < until) return false
    const services = SERVICES.map((name): [string, pg.Client] => [name, this.clients[name]])
    if (this.#desk !== null) services.push(['desk', this.#desk.client])
    for (const [service, client] of services) {
      const { rows } = await client.query<{ reached: boolean; parked: number }>(
        `SELECT applied_position >= $1 AS reached, (SELECT count(*)::integer FROM parked_events) AS parked FROM projector_positions`,
        [state.position.toString()],
      )
      if (rows[0] && rows[0].parked > 0) throw new Error(await whyParked(service, client))
      if (rows[0]?.reached !== true) return false
    }
    return true
  }

  #target(name: 'monolith' | 'pipeline'): PostgresTarget {
    const { urls, logins } = this.#databases
    return postgresTarget(name, urlAs(urls[name], logins[name]))
  }

  #kafka(clientId: string): ReturnType<typeof createKafka> {
    return createKafka({ brokers: this.brokers, clientId: `llama-${clientId}`, logger: silentLogger })
  }

  #wake(): void {
    this.#moved.resolve(undefined)
    this.#moved = Promise.withResolvers<undefined>()
  }
}

async function makeDatabases(): Promise<LlamaDatabases> {
  const servers = await startServers(OWN_SERVERS)
  const create = (server: string, label: string): Promise<TestDatabase> => createTestDatabase(server, `llama ${label}`)
  const monolith = await create(required('SLUICE_TEST_MONOLITH_URL'), 'monolith')
  const pipeline = await create(required('SLUICE_TEST_PIPELINE_URL'), 'pipeline')
  const urls = {
    monolith: monolith.url,
    pipeline: pipeline.url,
    orchestration: (await create(servers.services.url, 'orchestration')).url,
    analysis: (await create(servers.services.url, 'analysis')).url,
    mapper: (await create(servers.services.url, 'mapper')).url,
  }
  await makeMonolith(monolith.url)
  return { servers, urls, logins: TEST_LOGINS, elsewhere: [monolith, pipeline] }
}

/** The tables of the monolith, by their owner. */
export async function makeMonolith(url: string): Promise<void> {
  await migrate(postgresTarget('monolith', url), { folder: system.monolith.migrations, table: 'schema_migrations' })
}

/** Several statements are one transaction. */
export async function runOn(target: PostgresTarget, statements: string): Promise<void> {
  const client = await connect(target, { applicationName: 'llama test' })
  try {
    await client.query(statements)
  } finally {
    await client.end()
  }
}

async function whyParked(service: string, client: pg.Client): Promise<string> {
  const { rows } = await client.query<object>('SELECT * FROM parked_events LIMIT 1')
  return `${service} parked an event: ${JSON.stringify(rows[0])}`
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run by the integration project of vitest`)
  return value
}
