/** A source with tables of its own, a pipeline database, and readers between them. */
import { LSN_ZERO, type Lsn, type StoredEvent, parseLsn, positionNumber, silentLogger } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { type ReaderLimits, type ReaderProgress, createReader } from '@sluice/reader'
import { createEventReader, durableLsnOf, getLane, migrateStore } from '@sluice/store'
import {
  type LaneDefinition,
  arrayOf,
  bigint,
  enumType,
  integer,
  jsonb,
  numeric,
  table,
  text,
  timestamptz,
  topic,
  uuid,
  varchar,
} from '@sluice/system'
import type pg from 'pg'

export const SYSTEM = { name: 'shop' }

export const SHOP_DDL = `
  CREATE TYPE order_status AS ENUM ('open', 'paid', 'über fällig');
  CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, bio text);
  ALTER TABLE customers ALTER COLUMN bio SET STORAGE EXTERNAL;
  CREATE TABLE orders (
    id uuid PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, note text, price numeric(12,2),
    tags text[], doc jsonb, status order_status NOT NULL DEFAULT 'open', placed_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE lines (
    order_id uuid NOT NULL, line integer NOT NULL, sku varchar(40) NOT NULL, PRIMARY KEY (order_id, line)
  );
  CREATE TABLE unwatched (id int PRIMARY KEY, v text);
  CREATE TABLE outbox (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregate_type text NOT NULL, aggregate_id text NOT NULL,
    event_type text NOT NULL, payload jsonb NOT NULL, correlation_id text, causation_id text, user_id text,
    traceparent text, created_at timestamptz NOT NULL DEFAULT now()
  );`

const shopTopic = topic('shop.all')

export const customers = table('customers', {
  columns: { id: bigint(), name: text(), bio: text().nullable() },
  key: ['id'],
  aggregate: 'Customer',
  topic: shopTopic,
})

export const orders = table('orders', {
  columns: {
    id: uuid(),
    customer_id: bigint(),
    note: text().nullable(),
    price: numeric(12, 2).nullable(),
    tags: arrayOf(text()).nullable(),
    doc: jsonb().nullable(),
    status: enumType('public.order_status', ['open', 'paid', 'über fällig']),
    placed_at: timestamptz(),
  },
  key: ['id'],
  aggregate: 'Order',
  topic: shopTopic,
})

export const lines = table('lines', {
  columns: { order_id: uuid(), line: integer(), sku: varchar(40) },
  key: ['order_id', 'line'],
  aggregate: 'Line',
  topic: shopTopic,
})

/** Lane names are unique to a fixture, since slots belong to the whole server. */
export function shopLane(name: string, overrides: Partial<LaneDefinition> = {}): LaneDefinition {
  return {
    name,
    source: 'monolith',
    // Children before parents, so that the load has to order them.
    tables: [lines, orders, customers],
    outbox: { topic: topic('shop.outbox') },
    slotName: `sluice_shop_${name}`,
    publicationName: `sluice_shop_${name}`,
    ...overrides,
  }
}

export interface RunningReader {
  readonly progress: readonly ReaderProgress[]
  /** Resolves with the first report from now on that fits; rejects if the reader ends before. */
  next<Kind extends ReaderProgress['kind']>(
    kind: Kind,
    fits?: (progress: Extract<ReaderProgress, { kind: Kind }>) => boolean,
  ): Promise<Extract<ReaderProgress, { kind: Kind }>>
  /** What `run` ended with. */
  readonly done: Promise<void>
  stop(): Promise<void>
}

export interface ReaderFixture {
  readonly source: pg.Client
  readonly store: pg.Client
  readonly sourceUrl: string
  readonly sourceTarget: PostgresTarget
  readonly pipelineTarget: PostgresTarget
  readonly lane: LaneDefinition
  start(options?: {
    lane?: LaneDefinition
    limits?: Partial<ReaderLimits>
    source?: PostgresTarget
    pipeline?: PostgresTarget
  }): RunningReader
  stopAll(): Promise<void>
  /** Everything that the source committed until now is stored, in the fixture's pipeline database or another. */
  caughtUp(reader: RunningReader, pipeline?: pg.Client): Promise<void>
  events(): Promise<readonly StoredEvent[]>
  durableLsn(): Promise<Lsn>
  /** Resolves with what the slot is confirmed up to, once that is at or past `lsn`: the server hears of it after it was said. */
  confirmed(lsn: Lsn): Promise<Lsn>
  /** Resolves when the server has noticed that nobody reads a slot of the source any more. */
  slotIsFree(): Promise<void>
  close(): Promise<void>
}

/** Short intervals, so that tests wait for little. */
export const TEST_LIMITS: Partial<ReaderLimits> = {
  keepaliveIntervalMs: 20,
  feedbackIntervalMs: 50,
  heartbeatIntervalMs: 50,
  slotCreationMs: 20_000,
}

export function requiredUrl(variable: string): string {
  const url = process.env[variable]
  if (url === undefined || url === '') throw new Error(`${variable} is not set`)
  return url
}

/** @param monolithUrl Of the server that the source's database is made on. */
export async function openReaderFixture(
  label: string,
  ddl: string = SHOP_DDL,
  monolithUrl: string = requiredUrl('SLUICE_TEST_MONOLITH_URL'),
): Promise<ReaderFixture> {
  const sourceDatabase = await createTestDatabase(monolithUrl, label)
  const pipelineDatabase = await createTestDatabase(requiredUrl('SLUICE_TEST_PIPELINE_URL'), label)
  const sourceTarget = postgresTarget('monolith', sourceDatabase.url)
  const pipelineTarget = postgresTarget('pipeline', pipelineDatabase.url)
  await migrateStore(pipelineTarget)
  const source = await connect(sourceTarget, { applicationName: 'test' })
  const store = await connect(pipelineTarget, { applicationName: 'test' })
  await source.query(ddl)
  const flushedMessage = await messageOf(source)
  const lane = shopLane(`t_${sourceDatabase.name.slice(-10)}`)
  const running = new Set<RunningReader>()
  return {
    source,
    store,
    sourceUrl: sourceDatabase.url,
    sourceTarget,
    pipelineTarget,
    lane,
    start: (options = {}) => {
      const reader = startReader({
        lane: options.lane ?? lane,
        source: options.source ?? sourceTarget,
        pipeline: options.pipeline ?? pipelineTarget,
        limits: { ...TEST_LIMITS, ...options.limits },
      })
      running.add(reader)
      return reader
    },
    stopAll: async () => {
      for (const reader of running) await reader.stop().catch(() => undefined)
    },
    caughtUp: async (reader, pipeline = store) => {
      const { rows } = await source.query<{ lsn: string }>(
        `SELECT pg_current_wal_insert_lsn()::text AS lsn FROM ${flushedMessage}`,
      )
      const until = parseLsn(rows[0]!.lsn)
      // A lane that loads stands at its snapshot, with rows of the load still to come.
      const durable = async (): Promise<Lsn> => {
        const record = await getLane(pipeline, SYSTEM.name, lane.name)
        return record.phase === 'streaming' ? durableLsnOf(record) : LSN_ZERO
      }
      for (;;) {
        const ended = reader.done.then(() => Promise.reject(new Error('the reader ended')))
        const moved = Promise.race([reader.next('stored'), reader.next('keepalive'), reader.next('feedback'), ended])
        moved.catch(() => undefined)
        if ((await findDurable(durable)) >= until) return
        await moved
      }
    },
    events: async () => {
      const reader = createEventReader(pipelineTarget, { logger: silentLogger })
      try {
        const { lane: id, position } = await getLane(store, SYSTEM.name, lane.name)
        return await reader.events(id, positionNumber(0), position)
      } finally {
        await reader.close()
      }
    },
    durableLsn: async () => durableLsnOf(await getLane(store, SYSTEM.name, lane.name)),
    confirmed: async (lsn) => {
      for (;;) {
        const { rows } = await source.query<{ lsn: string }>(
          'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
          [lane.slotName],
        )
        const confirmed = parseLsn(rows[0]!.lsn)
        if (confirmed >= lsn) return confirmed
      }
    },
    slotIsFree: async () => {
      for (;;) {
        const { rowCount } = await source.query('SELECT FROM pg_replication_slots WHERE database = current_database() AND active')
        if (rowCount === 0) return
      }
    },
    close: async () => {
      for (const reader of running) await reader.stop().catch(() => undefined)
      await Promise.all([source.end(), store.end()])
      await Promise.all([sourceDatabase.drop(), pipelineDatabase.drop()])
    },
  }
}

/** A message that is flushed: before PostgreSQL 17 only the commit of its transaction does that. */
async function messageOf(source: pg.Client): Promise<string> {
  const { rows } = await source.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`)
  const flushes = rows[0]!.version >= 170000
  return flushes ? `pg_logical_emit_message(false, 'test', '', true)` : `pg_logical_emit_message(true, 'test', '')`
}

/** The lane may not be there yet. */
async function findDurable(durable: () => Promise<Lsn>): Promise<Lsn> {
  try {
    return await durable()
  } catch {
    return LSN_ZERO
  }
}

interface Waiter {
  readonly fits: (progress: ReaderProgress) => boolean
  readonly resolve: (progress: ReaderProgress) => void
  readonly reject: (error: Error) => void
}

function startReader(options: {
  lane: LaneDefinition
  source: PostgresTarget
  pipeline: PostgresTarget
  limits: Partial<ReaderLimits>
}): RunningReader {
  const progress: ReaderProgress[] = []
  let waiters: Waiter[] = []
  const stopping = new AbortController()
  const reader = createReader({
    system: SYSTEM,
    ...options,
    logger: silentLogger,
    onProgress: (report) => {
      progress.push(report)
      const called = waiters.filter((w) => w.fits(report))
      waiters = waiters.filter((w) => !called.includes(w))
      for (const waiter of called) waiter.resolve(report)
    },
  })
  const done = reader.run(stopping.signal)
  const end = (error: Error): void => {
    for (const waiter of waiters) waiter.reject(error)
    waiters = []
  }
  done.then(
    () => {
      end(new Error('the reader ended'))
    },
    (error: unknown) => {
      end(error instanceof Error ? error : new Error(String(error)))
    },
  )
  return {
    progress,
    next: <Kind extends ReaderProgress['kind']>(
      kind: Kind,
      fits: (p: Extract<ReaderProgress, { kind: Kind }>) => boolean = () => true,
    ) => {
      type Report = Extract<ReaderProgress, { kind: Kind }>
      const isWanted = (p: ReaderProgress): p is Report => p.kind === kind
      return new Promise<Report>((resolve, reject) => {
        waiters.push({
          fits: (p) => isWanted(p) && fits(p),
          resolve: (p) => {
            if (isWanted(p)) resolve(p)
          },
          reject,
        })
      })
    },
    done,
    stop: () => {
      stopping.abort()
      return done
    },
  }
}

/** Data of an event as the test compares it. */
export function dataOf(event: StoredEvent): unknown {
  return JSON.parse(event.eventData)
}
