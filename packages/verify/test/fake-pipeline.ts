/**
 * The least pipeline that keeps the rules: inserts into the monolith's `items` become events through a real slot and the real
 * store, and a service's rows through a projector that obeys barriers. So that verify is tested with real LSNs and
 * without the engines.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { aggregateName, epochMicros, lsnOf, namespaceBytes, parseLsn, silentLogger, streamedEventId } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, createPool, inTransaction, migrate, postgresTarget } from '@sluice/postgres'
import {
  type AppendPart,
  type EventAppender,
  type LaneRecord,
  createEventAppender,
  createLane,
  getLane,
  migrateStore,
} from '@sluice/store'
import { type SystemDefinition, defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import type { Client, Pool } from 'pg'

const items = table('items', { columns: { id: integer() }, key: ['id'], aggregate: 'Item', topic: topic('verify.items') })
const none = new URL('file:///none/')

export const fakeSystem: SystemDefinition = defineSystem({
  name: 'fake',
  avroSchemas: none,
  monolith: { tables: [items] },
  services: { shop: { migrations: none, projections: [mapTable(items, { into: 'shop_items' })] } },
})

/** Slots are the server's, not the database's. */
const SLOT = `sluice_fake_${randomBytes(4).toString('hex')}`

type Stage = 'reader' | 'relay' | 'projector'
type Step = () => Promise<void>

export interface FakePipeline {
  readonly targets: {
    readonly monolith: PostgresTarget
    readonly pipeline: PostgresTarget
    readonly services: { readonly shop: PostgresTarget }
  }
  readonly monolith: Client
  readonly service: Client
  /** Resolves once a stage is through with what it is at; from then on it does nothing, until `goOn`. */
  halt(stage: Stage): Promise<void>
  /** Lets every stage go on. */
  goOn(): void
  /** Inserts the next item in a transaction of its own. */
  insertItem(): Promise<void>
  close(): Promise<void>
}

export async function openFakePipeline(label: string): Promise<FakePipeline> {
  const databases = await Promise.all(
    (['MONOLITH', 'PIPELINE', 'SERVICES'] as const).map((server) =>
      createTestDatabase(process.env[`SLUICE_TEST_${server}_URL`]!, label),
    ),
  )
  const [source, store, shop] = databases.map((db) => db.url) as [string, string, string]
  const targets = {
    monolith: postgresTarget('monolith', source),
    pipeline: postgresTarget('pipeline', store),
    services: { shop: postgresTarget('shop', shop) },
  }
  await migrateStore(targets.pipeline)
  const folder = new URL('../../projector/migrations/', import.meta.url)
  await migrate(targets.services.shop, { folder, table: 'sluice_migrations' })
  const [monolith, pipeline, service, projecting] = [
    await connect(targets.monolith, { applicationName: 'test' }),
    await connect(targets.pipeline, { applicationName: 'test' }),
    await connect(targets.services.shop, { applicationName: 'test' }),
    createPool(targets.services.shop, { applicationName: 'fake projector', max: 1 }),
  ]
  await monolith.query(`CREATE TABLE items (id integer PRIMARY KEY); CREATE PUBLICATION ${SLOT} FOR TABLE items`)
  await monolith.query(`SELECT pg_create_logical_replication_slot('${SLOT}', 'pgoutput')`)
  await service.query('CREATE TABLE shop_items (id integer PRIMARY KEY)')
  const lane = await makeLane(targets.pipeline)
  const appender = await createEventAppender({ target: targets.pipeline, lane, serviceName: 'reader', logger: silentLogger })
  const halted = new Set<Stage>()
  const stop = new AbortController()
  const reading = await connect(targets.monolith, { applicationName: 'fake reader' })
  const steps: Record<Stage, Step> = {
    reader: () => readOnce(reading, appender, lane),
    relay: () => publishOnce(pipeline, lane),
    projector: () => projectOnce(pipeline, projecting, lane),
  }
  /** What each stage is at, or was at last. */
  const doing: Record<Stage, Promise<void>> = {
    reader: Promise.resolve(),
    relay: Promise.resolve(),
    projector: Promise.resolve(),
  }
  const work = (stage: Stage): Promise<void> => (halted.has(stage) ? Promise.resolve() : (doing[stage] = steps[stage]()))
  const stages = Promise.all([
    loop(stop.signal, () => work('reader')),
    loop(stop.signal, async () => {
      await work('relay')
      await work('projector')
    }),
  ])
  let next = 0
  return {
    targets,
    monolith,
    service,
    halt: async (stage) => {
      halted.add(stage)
      await doing[stage]
    },
    goOn: () => halted.clear(),
    insertItem: async () => {
      next += 1
      await monolith.query('INSERT INTO items VALUES ($1)', [next])
    },
    close: async () => {
      stop.abort()
      await stages
      await monolith.query(`SELECT pg_drop_replication_slot('${SLOT}')`)
      await Promise.all([monolith.end(), pipeline.end(), service.end(), projecting.end(), reading.end(), appender.close()])
      for (const database of databases) await database.drop()
    },
  }
}

async function loop(signal: AbortSignal, step: Step): Promise<void> {
  while (!signal.aborted) {
    await step()
    await delay(5)
  }
}

async function makeLane(target: PostgresTarget): Promise<LaneRecord> {
  const pool = createPool(target, { applicationName: 'test', max: 1 })
  try {
    return await inTransaction(pool, async (client) => {
      await createLane(client, {
        systemName: 'fake',
        laneName: 'monolith',
        sourceName: 'monolith',
        systemIdentifier: '1',
        databaseName: 'fake',
        slotName: SLOT,
        publicationName: SLOT,
        timeline: 1,
        phase: 'streaming',
        storedLsn: lsnOf(1n),
        outboxTopic: null,
      })
      return getLane(client, 'fake', 'monolith')
    })
  } finally {
    await pool.end()
  }
}

/** Takes what the slot has; the messages' layout is that of PostgreSQL's logical replication protocol, version 1. */
async function readOnce(client: Client, appender: EventAppender, lane: LaneRecord): Promise<void> {
  const { rows: before } = await client.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn')
  const { rows } = await client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_get_binary_changes($1::name, NULL, NULL, 'proto_version', '1', 'publication_names', $2::text)`,
    [SLOT, SLOT],
  )
  let commitLsn = lsnOf(0n)
  let ids: string[] = []
  const parts: AppendPart[] = []
  for (const { data } of rows) {
    const kind = String.fromCharCode(data[0]!)
    if (kind === 'B') [commitLsn, ids] = [lsnOf(data.readBigUInt64BE(1)), []]
    if (kind === 'I') ids.push(data.toString('utf8', 13, 13 + data.readUInt32BE(9)))
    if (kind !== 'C') continue
    const endLsn = lsnOf(data.readBigUInt64BE(10))
    const events = ids.map((id, ordinal) => {
      const { id: aggregateId, key } = aggregateName([id])
      return {
        eventId: streamedEventId(namespaceBytes(lane.epoch), commitLsn, ordinal),
        eventType: 'ItemCreated',
        aggregateType: 'Item',
        aggregateId,
        aggregateKey: key,
        eventData: JSON.stringify({ op: 'c', after: { id } }),
        ordinal,
        correlationId: `tx-${id}`,
        causationId: null,
        userId: null,
        traceparent: null,
        migrationId: null,
      }
    })
    const commit = { kind: 'commit', commitLsn, endLsn, committedAt: epochMicros(BigInt(Date.now()) * 1000n) } as const
    parts.push({ commit, events, isLast: true })
  }
  if (parts.length > 0) await appender.append(parts)
  const flushed = parseLsn(before[0]!.lsn)
  if (flushed > appender.durableLsn) await appender.recordKeepalive(flushed)
}

async function publishOnce(client: Client, lane: LaneRecord): Promise<void> {
  await client.query(
    `INSERT INTO relay_progress (lane, position, cluster_id) SELECT lane, position, 'fake' FROM lanes WHERE lane = $1
     ON CONFLICT (lane) DO UPDATE SET position = excluded.position`,
    [lane.lane],
  )
}

/** Applies what is published, up to its barrier; answers a barrier that it stands at. */
async function projectOnce(pipeline: Client, pool: Pool, lane: LaneRecord): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `INSERT INTO projector_positions (lane, lane_name, epoch, cluster_id, applied_position) VALUES ($1, 'monolith', $2, 'fake', 0)
       ON CONFLICT (lane) DO NOTHING`,
      [lane.lane, lane.epoch],
    )
    await client.query('DELETE FROM projector_barriers WHERE expires_at <= clock_timestamp()')
    const { rows } = await client.query<{ applied: string; barred: boolean; stop_at: string | null }>(
      `SELECT p.applied_position::text AS applied, b.lane IS NOT NULL AS barred, b.stop_at::text AS stop_at FROM projector_positions p
       LEFT JOIN projector_barriers b ON b.lane = p.lane WHERE p.lane = $1`,
      [lane.lane],
    )
    const { applied, barred, stop_at: stopAt } = rows[0]!
    const stop = barred ? BigInt(stopAt ?? applied) : null
    if (stop !== null && BigInt(applied) >= stop) {
      await client.query(
        'UPDATE projector_barriers SET standing_at = $2 WHERE lane = $1 AND standing_at IS NULL AND stop_at IS NOT DISTINCT FROM $3::bigint',
        [lane.lane, applied, stopAt],
      )
      return
    }
    const { rows: next } = await pipeline.query<{ id: string; position: string }>(
      `SELECT e.event_data -> 'after' ->> 'id' AS id, e.position::text AS position FROM event_store e
       JOIN relay_progress r ON r.lane = e.lane AND e.position <= r.position
       WHERE e.lane = $1 AND e.position > $2 AND e.position <= coalesce($3, e.position) ORDER BY e.position LIMIT 100`,
      [lane.lane, applied, stop === null ? null : String(stop)],
    )
    const last = next.at(-1)
    if (!last) return
    await client.query('INSERT INTO shop_items SELECT unnest($1::integer[])', [next.map((event) => event.id)])
    await client.query('UPDATE projector_positions SET applied_position = $2 WHERE lane = $1', [lane.lane, last.position])
  })
}
