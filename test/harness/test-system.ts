/**
 * A system on real servers: databases of its own, provisioned by `sluice provision`, its processes started as a user
 * starts them. Everything ends with it.
 */
import { fileURLToPath } from 'node:url'
import { createTestDatabase, type RunningServers, type TestDatabase } from '@sluice/infra'
import { outboxMigration } from '@sluice/outbox'
import { migrate, postgresTarget } from '@sluice/postgres'
import { type SystemDefinition, lanesOf } from '@sluice/system'
import pg from 'pg'
import { SluiceProcess, runSluice } from './sluice-process.ts'
import type { TestServers } from './test-servers.ts'
import { waitUntil } from './wait-until.ts'

const START_LIMIT_MS = 240_000

export class TestSystem implements AsyncDisposable {
  readonly definition: SystemDefinition
  readonly servers: RunningServers
  /** Settings for every sluice command. */
  readonly env: Readonly<Record<string, string>>
  readonly #databases: Readonly<Record<string, TestDatabase>>
  readonly #clients = new Map<string, pg.Client>()
  readonly #processes = new Map<string, SluiceProcess>()

  constructor(
    definition: SystemDefinition,
    file: string,
    servers: RunningServers,
    databases: Readonly<Record<string, TestDatabase>>,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.definition = definition
    this.servers = servers
    this.#databases = databases
    const urls = Object.entries(databases).map(([name, { url }]): [string, string] => [`SLUICE_${name.toUpperCase()}_URL`, url])
    this.env = {
      ...Object.fromEntries(urls),
      SLUICE_SYSTEM: file,
      KAFKA_BROKERS: servers.kafka.url,
      SCHEMA_REGISTRY_URL: servers.registry.url,
      SLUICE_LOG_LEVEL: 'info',
      ...env,
    }
  }

  /** A connection to `monolith`, `pipeline` or a service; opened anew if its server was stopped. */
  async client(name: string): Promise<pg.Client> {
    const open = this.#clients.get(name)
    if (open) return open
    const client = new pg.Client({ connectionString: this.url(name), application_name: 'sluice-test' })
    // One that ends late must not take its successor with it.
    const forget = (): void => {
      if (this.#clients.get(name) === client) this.#clients.delete(name)
    }
    client.on('error', forget)
    client.on('end', forget)
    await client.connect()
    this.#clients.set(name, client)
    return client
  }

  url(name: string): string {
    const database = this.#databases[name]
    if (!database) throw new Error(`the system has no database "${name}"`)
    return database.url
  }

  get services(): readonly string[] {
    return Object.keys(this.definition.services)
  }

  /** Starts one command; it is ended with the system. @param env in addition to `env` */
  start(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): SluiceProcess {
    const child = new SluiceProcess(args, { ...this.env, ...env })
    this.#processes.set(name, child)
    return child
  }

  /** Every process of the pipeline, each for itself: its name, and the arguments of its command. */
  commands(): Readonly<Record<string, readonly string[]>> {
    const projectors = this.services.map((service): [string, string[]] => [`projector ${service}`, ['run', 'projector', service]])
    return Object.fromEntries([['reader', ['run', 'reader']], ['relay', ['run', 'relay']], ...projectors])
  }

  startAll(): Record<string, SluiceProcess> {
    return Object.fromEntries(Object.entries(this.commands()).map(([name, args]) => [name, this.start(name, args)]))
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((child) => child.stop()))
    this.#processes.clear()
  }

  /** Lets the reader make slots and lanes, and load what is there, then stops it: from here on commits pile up in the WAL. */
  async startOnce(): Promise<void> {
    const reader = this.start('reader', ['run', 'reader'])
    const lanes = lanesOf(this.definition).map(({ name }) => name)
    await waitUntil('every lane to stream', START_LIMIT_MS, async () => {
      if (!reader.isRunning) throw new Error(`the reader ended: ${reader.stderr}`)
      const { rows } = await (
        await this.client('pipeline')
      ).query<{ name: string }>(`SELECT lane_name AS name FROM lanes WHERE phase = 'streaming'`)
      return lanes.every((lane) => rows.some(({ name }) => name === lane))
    })
    await reader.stop()
  }

  /** Number of the last event that a lane has in the store. */
  async storedPosition(lane: string): Promise<number> {
    const { rows } = await (
      await this.client('pipeline')
    ).query<{ position: string }>('SELECT position FROM lanes WHERE lane_name = $1', [lane])
    return Number(rows[0]?.position ?? 0)
  }

  /** Position of a lane up to which a service has applied everything. */
  async appliedPosition(service: string, lane: string): Promise<number> {
    const { rows } = await (
      await this.client(service)
    ).query<{ position: string }>('SELECT applied_position AS position FROM projector_positions WHERE lane_name = $1', [lane])
    return Number(rows[0]?.position ?? 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll()
    await Promise.all([...this.#clients.values()].map((client) => client.end()))
    await Promise.all(Object.values(this.#databases).map((database) => database.drop()))
  }
}

export interface TestSystemOptions {
  /** False: the test provisions by itself. @default true */
  readonly isProvisioned?: boolean
  /** Settings of every sluice command, in addition to where the servers are. */
  readonly env?: Readonly<Record<string, string>>
  /** URLs of servers for services that have one of their own. @default none: all are on the server for services */
  readonly serviceServers?: Readonly<Record<string, string>>
}

/** Makes the databases and the monolith's schema, and provisions the rest unless the test wants to do that itself. */
export async function startTestSystem(
  servers: TestServers,
  file: URL,
  { isProvisioned = true, env = {}, serviceServers = {} }: TestSystemOptions = {},
): Promise<TestSystem> {
  const { running } = servers
  const module = (await import(file.href)) as { default: SystemDefinition }
  const definition = module.default
  const databases: Record<string, TestDatabase> = {
    monolith: await createTestDatabase(running.monolith.url, `${definition.name} monolith`),
    pipeline: await createTestDatabase(running.pipeline.url, `${definition.name} pipeline`),
  }
  for (const service of Object.keys(definition.services)) {
    databases[service] = await createTestDatabase(
      serviceServers[service] ?? running.services.url,
      `${definition.name} ${service}`,
    )
  }
  const system = new TestSystem(definition, fileURLToPath(file), running, databases, env)
  await makeMonolith(definition, system.url('monolith'))
  if (!isProvisioned) return system
  const provision = await runSluice(['provision'], system.env)
  if (provision.code !== 0) throw new Error(`sluice provision ended with ${provision.code}: ${provision.stderr}`)
  return system
}

export async function makeMonolith(definition: SystemDefinition, url: string): Promise<void> {
  const target = postgresTarget('monolith', url)
  const { migrations, outbox } = definition.monolith
  if (migrations) await migrate(target, { folder: migrations, table: 'monolith_migrations' })
  if (outbox) await migrate(target, { folder: outboxMigration.folder, table: outboxMigration.table })
}
