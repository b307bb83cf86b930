/** A service database of its own, a lane in a fake Kafka, and projectors over them. */
import { silentLogger } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { type ServiceDefinition, controlTopicName, lanesOf, topicsOf } from '@sluice/system'
import type { Client } from 'pg'
import {
  type ParkedEvent,
  type ParkedOutcome,
  type ParkedRequest,
  type ParkedWorkLimits,
  type ProjectorLimits,
  type ProjectorOptions,
  type ProjectorProgress,
  consumerGroupOf,
  createProjector,
  listParked,
  migrateService,
  workOnParked,
} from '../src/index.ts'
import { FakeKafka } from './fake-kafka.ts'
import { SERVICE, shop } from './shop-system.ts'
import { TestLane, jsonDecoder } from './test-lane.ts'

export const GROUP = consumerGroupOf(shop, SERVICE)

/** What a projector reads from, where it is not the fake. */
type ProjectorSource = Pick<ProjectorOptions, 'system' | 'service' | 'kafka' | 'decoder' | 'claims' | 'target' | 'openSink'>

/** A projector that runs until `stop`. */
export interface RunningProjector {
  readonly progress: readonly ProjectorProgress[]
  /** Resolves with the first progress, past or future, that a condition holds for. Rejects if the projector ends before. */
  until(condition: (progress: ProjectorProgress) => boolean): Promise<ProjectorProgress>
  stop(): Promise<void>
  /** How it ended by itself. */
  readonly ended: Promise<void>
}

const [monolith] = lanesOf(shop)

function newKafka(): FakeKafka {
  return new FakeKafka([...topicsOf(monolith!), { name: controlTopicName(shop.name, monolith!.name), partitions: 1 }])
}

function newLane(kafka: FakeKafka): TestLane {
  return new TestLane(kafka, { system: shop.name, laneName: monolith!.name, ownTopic: 'shop.events' })
}

export class Shop {
  readonly target: PostgresTarget
  readonly client: Client
  kafka: FakeKafka
  lane: TestLane
  readonly #drop: () => Promise<void>
  readonly #running: RunningProjector[] = []

  private constructor(target: PostgresTarget, client: Client, drop: () => Promise<void>) {
    this.target = target
    this.client = client
    this.#drop = drop
    this.kafka = newKafka()
    this.lane = newLane(this.kafka)
  }

  /** @param service Whose own tables the database gets. */
  static async open(service: ServiceDefinition = shop.services[SERVICE]!): Promise<Shop> {
    const url = process.env['SLUICE_TEST_SERVICES_URL']
    if (url === undefined) throw new Error('SLUICE_TEST_SERVICES_URL is not set: run by the integration project of vitest')
    const database = await createTestDatabase(url, 'projector test')
    const target = postgresTarget(SERVICE, database.url)
    await migrateService(target, service)
    return new Shop(target, await connect(target, { applicationName: 'projector test' }), () => database.drop())
  }

  start(limits: Partial<ProjectorLimits> = {}, source: Partial<ProjectorSource> = {}): RunningProjector {
    const stopping = new AbortController()
    const progress: ProjectorProgress[] = []
    const waiting = new Set<{ condition: (p: ProjectorProgress) => boolean; resolve: (p: ProjectorProgress) => void }>()
    const projector = createProjector({
      system: shop,
      service: SERVICE,
      target: this.target,
      kafka: this.kafka,
      decoder: jsonDecoder,
      logger: silentLogger,
      ...source,
      limits: { retryDelayMsMax: 200, ...limits },
      onProgress: (p) => {
        progress.push(p)
        for (const wait of waiting) if (wait.condition(p)) wait.resolve(p)
      },
    })
    const ended = projector.run(stopping.signal)
    ended.catch(() => undefined)
    const running: RunningProjector = {
      progress,
      ended,
      until: (condition) => {
        const met = progress.find(condition)
        if (met) return Promise.resolve(met)
        const { promise, resolve, reject } = Promise.withResolvers<ProjectorProgress>()
        waiting.add({ condition, resolve })
        ended.then(() => reject(new Error('the projector ended')), reject)
        return promise
      },
      stop: async () => {
        stopping.abort()
        await ended
      },
    }
    this.#running.push(running)
    return running
  }

  /** Starts a projector, waits until everything of the lane is applied or parked, and stops it. */
  async applyAll(limits: Partial<ProjectorLimits> = {}): Promise<RunningProjector> {
    const projector = this.start(limits)
    await this.appliedBy(projector)
    await projector.stop()
    return projector
  }

  async appliedBy(projector: RunningProjector, through: bigint = this.lane.position): Promise<void> {
    await projector.until((p) => p.kind === 'applied' && p.through >= through)
  }

  /** All of the parking lot, in position order. */
  async parked(): Promise<readonly ParkedEvent[]> {
    return (await listParked(this.target)).items
  }

  /** Retries or skips parked events, as `sluice parked` does. */
  async work(
    command: ParkedRequest['command'],
    selection: ParkedRequest['selection'],
    limits: Partial<ParkedWorkLimits> = {},
    claims: PostgresTarget | null = null,
    afterFirst: AbortController | null = null,
  ): Promise<ParkedOutcome> {
    const { signal } = afterFirst ?? new AbortController()
    const onProgress = (): void => {
      afterFirst?.abort()
    }
    const options = {
      system: shop,
      service: SERVICE,
      target: this.target,
      decoder: jsonDecoder,
      signal,
      limits,
      claims,
      onProgress,
    }
    return workOnParked(options, { command, selection, requestedBy: 'test', reason: null })
  }

  async rows(query: string): Promise<readonly Record<string, unknown>[]> {
    return (await this.client.query<Record<string, unknown>>(query)).rows
  }

  /** Empties the service and begins with a new lane and empty topics. */
  async reset(): Promise<void> {
    await this.client.query(
      `TRUNCATE clients, favourites, sightings, orders, order_counts, links, processed_events, processed_truncates, parked_events, projector_positions,
         consumed_offsets, processing_batches`,
    )
    this.kafka = newKafka()
    this.lane = newLane(this.kafka)
  }

  /** Every row that the service holds because of events, as text: for comparisons. */
  async contents(
    tables = ['clients', 'favourites', 'orders', 'order_counts', 'links', 'processed_events', 'parked_events'],
  ): Promise<Record<string, readonly string[]>> {
    const contents: Record<string, readonly string[]> = {}
    for (const table of tables) {
      const columns =
        table === 'processed_events' ? 'event_id, lane, position' : table === 'parked_events' ? 'event_id, waits_for' : 't.*'
      const { rows } = await this.client.query<{ row: string }>(
        `SELECT (ROW(${columns}))::text AS row FROM ${table} t ORDER BY 1`,
      )
      contents[table] = rows.map((r) => r.row)
    }
    return contents
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const projector of this.#running) {
      try {
        await projector.stop()
      } catch {
        // A test that expects it to fail has looked at `ended` itself.
      }
    }
    await this.client.end()
    await this.#drop()
  }
}
