/** A pipeline database of its own for a test file, a lane in it, and commits to store there. */
import {
  type CommitInfo,
  type EventDraft,
  type Uuid,
  epochMicros,
  lsnOf,
  namespaceBytes,
  silentLogger,
  streamedEventId,
} from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, createPool, inTransaction, postgresTarget } from '@sluice/postgres'
import {
  type AppendPart,
  type AppenderLimits,
  type EventAppender,
  type LaneRecord,
  type NewLane,
  createEventAppender,
  createLane,
  getLane,
  migrateStore,
} from '@sluice/store'
import type { Client, Pool } from 'pg'

export interface StoreFixture {
  readonly target: PostgresTarget
  readonly pool: Pool
  /** A connection for looking and for spoiling. */
  readonly client: Client
  /** A new lane that streams from LSN 0/64 on. */
  lane(options?: Partial<NewLane>): Promise<LaneRecord>
  /** The lane as the store has it now. */
  reload(lane: LaneRecord): Promise<LaneRecord>
  /** An appender at the place where the lane stands now. */
  appender(lane: LaneRecord, limits?: AppenderLimits): Promise<EventAppender>
  count(table: string): Promise<number>
  close(): Promise<void>
}

export async function openStoreFixture(label: string): Promise<StoreFixture> {
  const serverUrl = process.env['SLUICE_TEST_PIPELINE_URL']
  if (serverUrl === undefined) throw new Error('SLUICE_TEST_PIPELINE_URL is not set')
  const database = await createTestDatabase(serverUrl, label)
  const target = postgresTarget('pipeline', database.url)
  await migrateStore(target)
  const pool = createPool(target, { applicationName: 'sluice test', max: 3 })
  const client = await connect(target, { applicationName: 'sluice test look' })
  let lanes = 0
  const reload = (lane: LaneRecord): Promise<LaneRecord> => getLane(client, lane.systemName, lane.laneName)
  return {
    target,
    pool,
    client,
    reload,
    lane: (options = {}) => {
      lanes += 1
      return inTransaction(pool, (inside) => createLane(inside, { ...newLane(`lane_${lanes}`), ...options }))
    },
    appender: async (lane, limits = {}) =>
      createEventAppender({ target, lane: await reload(lane), serviceName: 'reader', logger: silentLogger, limits }),
    count: async (table) => {
      const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)
      return rows[0]!.n
    },
    close: async () => {
      await Promise.all([pool.end(), client.end()])
      await database.drop()
    },
  }
}

export function newLane(laneName: string): NewLane {
  return {
    systemName: 'shop',
    laneName,
    sourceName: 'monolith',
    systemIdentifier: '7412345678901234567',
    databaseName: 'shop',
    slotName: `sluice_shop_${laneName}`,
    publicationName: `sluice_shop_${laneName}`,
    timeline: 1,
    phase: 'streaming',
    storedLsn: lsnOf(100n),
    outboxTopic: null,
  }
}

/** Commit number `n` of a lane's source: each begins 1,000 bytes of WAL after the one before. */
export function commitInfo(n: number): CommitInfo {
  const at = 1000n * BigInt(n)
  return {
    kind: 'commit',
    commitLsn: lsnOf(at),
    endLsn: lsnOf(at + 100n),
    committedAt: epochMicros(1_790_000_000_123_456n + BigInt(n)),
  }
}

/** An event of commit `n`; of the aggregate that is named, or of its own. */
export function draft(lane: LaneRecord, n: number, ordinal: number, changes: Partial<EventDraft> = {}): EventDraft {
  const eventId = streamedEventId(namespaceBytes(lane.epoch), commitInfo(n).commitLsn, ordinal)
  return {
    eventId,
    eventType: 'OrderUpdated',
    aggregateType: 'Order',
    aggregateId: eventId,
    aggregateKey: null,
    eventData: JSON.stringify({ op: 'c', after: { id: String(ordinal), note: 'Zürich – 東京 🚰', amount: '12.50', gone: null } }),
    ordinal,
    correlationId: `tx-${n}`,
    causationId: null,
    userId: null,
    traceparent: null,
    migrationId: null,
    ...changes,
  }
}

/** A whole commit of `events` events. */
export function commit(lane: LaneRecord, n: number, events = 1, changes: Partial<EventDraft> = {}): AppendPart {
  return {
    commit: commitInfo(n),
    events: Array.from({ length: events }, (_, ordinal) => draft(lane, n, ordinal, changes)),
    isLast: true,
  }
}

/** A part of commit `n`, with events from ordinal `from` on. */
export function commitPart(lane: LaneRecord, n: number, from: number, events: number, isLast: boolean): AppendPart {
  return {
    commit: commitInfo(n),
    events: Array.from({ length: events }, (_, i) => draft(lane, n, from + i)),
    isLast,
  }
}

export function uuidNumber(n: number): Uuid {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}` as Uuid
}
