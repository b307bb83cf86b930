/** What ClickHouse and Weaviate hold, against the event store: planted faults are told by the key that they are of. */
import { randomBytes } from 'node:crypto'
import { ClickhouseSink, clickhouseTarget } from '@sluice/clickhouse'
import { lsnOf, silentLogger } from '@sluice/core'
import {
  type Clickhouse,
  type LocalWeaviate,
  canBuildWeaviate,
  createTestDatabase,
  givenWeaviate,
  startClickhouse,
  startWeaviate,
} from '@sluice/infra'
import { type PostgresTarget, createPool, inTransaction, migrate, postgresTarget } from '@sluice/postgres'
import type { Sink, SinkRow } from '@sluice/sink'
import { createEventAppender, createLane, getLane, migrateStore } from '@sluice/store'
import { deterministicEmbedder, weaviateSink } from '@sluice/weaviate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TableReport, VerifyProgress } from '../src/index.ts'
import { SnapshotSession } from '../src/snapshot-session.ts'
import { verifySinks } from '../src/verify-sinks.ts'
import { type Change, commitOf, noticeBoard, noticeEvents, noticeId, noticeObjects, sinkRows } from './notice-board.ts'
import { LONG_TEXT, randomChanges, without } from './random-changes.ts'

const STARTED_MS = 600_000
const CHANGES = 400
const changes = randomChanges(CHANGES, 7)

let pipeline: PostgresTarget
let service: PostgresTarget
let append: (more: readonly Change[], from: number) => Promise<void>
const ends: (() => Promise<unknown>)[] = []
/** What the last comparison told while it ran. */
let told: VerifyProgress[] = []

beforeAll(async () => {
  const [store, own] = await Promise.all(
    (['PIPELINE', 'SERVICES'] as const).map((server) =>
      createTestDatabase(process.env[`SLUICE_TEST_${server}_URL`]!, 'verify_sinks'),
    ),
  )
  ends.push(
    () => store!.drop(),
    () => own!.drop(),
  )
  pipeline = postgresTarget('pipeline', store!.url)
  service = postgresTarget('service', own!.url)
  await migrateStore(pipeline)
  await migrate(service, { folder: new URL('../../projector/migrations/', import.meta.url), table: 'sluice_migrations' })
  append = await openStore()
  await append(changes, 1)
})
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

async function openStore(): Promise<(more: readonly Change[], from: number) => Promise<void>> {
  const pool = createPool(pipeline, { applicationName: 'test', max: 1 })
  const lane = await inTransaction(pool, async (client) => {
    await createLane(client, {
      systemName: 'board',
      laneName: 'monolith',
      sourceName: 'monolith',
      systemIdentifier: '1',
      databaseName: 'board',
      slotName: 'none',
      publicationName: 'none',
      timeline: 1,
      phase: 'streaming',
      storedLsn: lsnOf(1n),
      outboxTopic: null,
    })
    return getLane(client, 'board', 'monolith')
  })
  await pool.end()
  const appender = await createEventAppender({ target: pipeline, lane, serviceName: 'reader', logger: silentLogger })
  ends.push(() => appender.close())
  return async (more, from) => {
    await appender.append(more.map((change, n) => commitOf(change, from + n)))
  }
}

/** What verify says of the only sink of a service that has applied this many changes. */
async function verified(name: 'history' | 'search', sink: () => Sink, through = CHANGES): Promise<TableReport> {
  const { signal } = new AbortController()
  told = []
  const session = await SnapshotSession.open(service, { signal })
  try {
    const point = { session, lanes: [{ lane: 'monolith', position: BigInt(through) }] }
    const onProgress = (progress: VerifyProgress): void => void told.push(progress)
    const scope = { system: noticeBoard, targets: { pipeline }, openSinks: { [name]: sink }, onProgress, signal }
    return (await verifySinks(scope, name, point))[0]!
  } finally {
    await session.close()
  }
}

test(
  'events of ClickHouse are compared whole; what it lacks, has otherwise, or has of a lane that is gone is told by its id',
  async () => {
    const server: Clickhouse = await startClickhouse()
    ends.push(() => server.remove())
    const url = `${server.url}/verify_${randomBytes(6).toString('hex')}`
    const open = (): ClickhouseSink => new ClickhouseSink(clickhouseTarget('SLUICE_HISTORY_CLICKHOUSE_URL', url), [noticeEvents])
    const sink = open()
    ends.push(() => sink.close())
    await sink.make(noticeEvents)
    await sink.open()
    const rows = changes.flatMap((change, n) => sinkRows(noticeEvents, change, n + 1))
    await sink.write(rows)
    const equal = await verified('history', open)
    expect(equal).toMatchObject({ status: 'equal', sourceRows: CHANGES, targetRows: CHANGES })
    expect(equal.comparedColumns).toEqual(expect.arrayContaining(['op', 'committed_at', ...Object.keys(noticeEvents.columns)]))
    const progress = { phase: 'sink', service: 'history', table: 'clickhouse.notice_events' }
    expect(told.slice(0, 2)).toEqual([
      { ...progress, rows: 0, of: null },
      { ...progress, rows: 0, of: CHANGES },
    ])
    expect(told.at(-1)).toEqual({ ...progress, rows: CHANGES, of: CHANGES })

    const { origin, username, password } = new URL(server.url)
    const query = `DELETE FROM \`${new URL(url).pathname.slice(1)}\`.notice_events WHERE position = 17`
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    const answer = await fetch(`${origin}/`, { method: 'POST', body: query, headers: { authorization } })
    expect(answer.ok, await answer.text()).toBe(true)
    expect(await verified('history', open)).toMatchObject({
      status: 'different',
      missing: 1,
      extra: 0,
      examples: [{ kind: 'missing', key: [rows[16]!.eventId] }],
    })

    const stray = '00000000-0000-5000-8000-ffffffffffff'
    await sink.write([{ ...rows[16]!, lane: 2, eventId: stray }])
    expect(await verified('history', open)).toMatchObject({
      missing: 1,
      extra: 1,
      examples: [{}, { kind: 'extra', key: [stray] }],
    })
    await sink.write([rows[16]!])

    // Each is written once more with something else in it: of repeats the last one stays.
    const long = rows.find(({ values }) => values['body'] === LONG_TEXT)!
    const bare = rows.find(({ op, values }) => op !== 'd' && op !== 't' && values['labels'] === null && values !== long.values)!
    const whole = rows.filter((row) => row !== long && row !== bare && Object.keys(row.values).length === 6)
    const [swapped, gone, removed, late, other] = whole.slice(-5) as [SinkRow, SinkRow, SinkRow, SinkRow, SinkRow]
    const planted: readonly (readonly [SinkRow, Partial<SinkRow>, readonly string[]])[] = [
      [long, { values: { ...long.values, body: `${LONG_TEXT.slice(0, -1)}!` } }, ['body']],
      [bare, { values: { ...bare.values, labels: '' } }, ['labels']],
      [swapped, { values: { ...swapped.values, title: swapped.values['labels'] ?? '{}', pages: '0.0001' } }, ['title', 'pages']],
      [gone, { values: without(gone.values, 'title') }, ['title']],
      [removed, { op: 'd' }, ['op']],
      [late, { committedAtMicros: late.committedAtMicros + 1n }, ['committed_at']],
      [other, { aggregateId: noticeId(9_999) }, ['aggregate_id']],
    ]
    await sink.write(planted.map(([row, change]) => ({ ...row, ...change })))
    const report = await verified('history', open)
    expect(report).toMatchObject({ status: 'different', missing: 0, extra: 1, different: planted.length })
    for (const [row, , columns] of planted) {
      expect(report.examples).toContainEqual({ kind: 'different', key: [row.eventId], columns })
    }
  },
  STARTED_MS,
)

test(
  'objects of Weaviate are compared whole; what is changed, removed, added or without its vector is told by its id',
  async ({ skip }) => {
    const given = givenWeaviate(process.env)
    if (given === undefined && !canBuildWeaviate()) return skip('Weaviate is built by Go, which is not here')
    const server: Pick<LocalWeaviate, 'url' | 'remove'> | null = given === undefined ? await startWeaviate() : null
    if (server !== null) ends.push(() => server.remove())
    const url = new URL(given ?? server!.url)
    const objectUrl = (id: number): URL => new URL(`/v1/objects/VerifiedNotice/${noticeId(id)}`, url)
    const open = (): Sink => weaviateSink({ tables: [noticeObjects], embedder: deterministicEmbedder(), url })
    await fetch(new URL('/v1/schema/VerifiedNotice', url), { method: 'DELETE' })
    const sink = open()
    ends.push(() => sink.close())
    await sink.make(noticeObjects)
    await sink.open()
    // As many batches as a projector would make, since what an update leaves out stands in the object.
    for (let n = 0; n < CHANGES; n += 50) {
      const batch = changes.slice(n, n + 50).flatMap((change, i) => sinkRows(noticeObjects, change, n + i + 1))
      expect(await sink.write(batch)).toEqual([])
    }
    const equal = await verified('search', open)
    expect(equal).toMatchObject({ status: 'equal', missing: 0, extra: 0, different: 0 })
    expect(equal.sourceRows).toBeGreaterThan(20)
    expect(equal.comparedColumns).toEqual(['lane', 'position', 'event_id', 'title', 'body', 'labels', 'pages'])

    // Every state that the table ever had is equal at its own point: what came after it is no difference.
    for (const through of [60, 133, 134, 250]) {
      expect(await verified('search', open, through), `at ${through}`).toMatchObject({ status: 'equal', missing: 0, extra: 0 })
    }

    const held = [...new Set(changes.map(({ id }) => id))]
    const there: number[] = []
    for (const id of held) if ((await fetch(objectUrl(id))).ok) there.push(id)
    const [changed = 0, removed = 0, bare = 0] = there
    await plant(objectUrl(changed), sent('PATCH', { class: 'VerifiedNotice', properties: { title: 'mallory was here' } }))
    await plant(objectUrl(removed), { method: 'DELETE' })
    const { properties } = (await (await fetch(objectUrl(bare))).json()) as { properties: object }
    await plant(objectUrl(bare), { method: 'DELETE' })
    const objects = new URL('/v1/objects', url)
    await plant(objects, sent('POST', { class: 'VerifiedNotice', id: noticeId(bare), properties }))
    await plant(objects, sent('POST', { class: 'VerifiedNotice', id: noticeId(9_999), properties: { title: 'nobody wrote it' } }))
    const report = await verified('search', open)
    expect(report).toMatchObject({ status: 'different', missing: 1, extra: 1, different: 2 })
    expect(new Map(report.examples.map(({ kind, key, columns }) => [key[0], [kind, ...columns]]))).toEqual(
      new Map([
        [noticeId(changed), ['different', 'title']],
        [noticeId(removed), ['missing']],
        [noticeId(bare), ['different', 'vector']],
        [noticeId(9_999), ['extra']],
      ]),
    )
  },
  STARTED_MS,
)

function sent(method: 'PATCH' | 'POST', body: object): RequestInit {
  return { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
}

/** Changes Weaviate behind the sink's back. */
async function plant(url: URL, change: RequestInit): Promise<void> {
  const answer = await fetch(url, change)
  expect(answer.ok, await answer.text()).toBe(true)
}
