/** What the preflight says of a service's tables in ClickHouse, before and after they are made. */
import { randomBytes } from 'node:crypto'
import { createClient } from '@clickhouse/client'
import { ClickhouseSink, clickhouseTarget } from '@sluice/clickhouse'
import { type Clickhouse, startClickhouse } from '@sluice/infra'
import { clickhouseEvents, defineSystem, numeric, table, text, topic, uuid } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkSink } from '../src/sink-checks.ts'

const nowhere = new URL('file:///none/')
const readings = table('readings', {
  aggregate: 'Reading',
  key: ['id'],
  topic: topic('doctor.readings'),
  columns: { id: uuid(), note: text().nullable(), amount: numeric(14, 2).nullable() },
})
const events = clickhouseEvents(readings, {
  into: 'readings',
  structure: new URL('../../clickhouse/test/readings.sql', import.meta.url),
  columns: (c, e) => ({ kind: e.eventType, note: c.note, amount: c.amount }),
})
const system = defineSystem({
  name: 'doctor_sinks',
  avroSchemas: nowhere,
  monolith: { tables: [readings] },
  services: { lab: { migrations: nowhere, projections: [], sinks: [events] } },
})
const database = `sluice_doctor_${randomBytes(6).toString('hex')}`

let server: Clickhouse

/** The first time, the server is downloaded. */
beforeAll(async () => {
  server = await startClickhouse()
}, 600_000)
afterAll(async () => {
  await execute(`DROP DATABASE IF EXISTS ${database}`)
  await server.remove()
})

function sinkAt(url: string): ClickhouseSink {
  return new ClickhouseSink(clickhouseTarget('SLUICE_LAB_CLICKHOUSE_URL', `${url}/${database}`), [events])
}

async function execute(statement: string): Promise<void> {
  const { username, password, origin } = new URL(server.url)
  const client = createClient({ url: origin, username, password })
  await client.command({ query: statement })
  await client.close()
}

test('tables are missing, there, of another form; and a server that is away is told', async () => {
  const check = () => checkSink(system, 'lab', () => sinkAt(server.url))
  const isMissing = [{ status: 'ok' }, { name: 'service.lab.clickhouse.tables', status: 'warning', code: 'SLU-5103' }]
  expect(await check()).toMatchObject(isMissing)
  // Looking makes nothing.
  expect(await check()).toMatchObject(isMissing)

  const sink = sinkAt(server.url)
  await sink.make(events)
  await sink.close()
  expect(await check()).toMatchObject([{ status: 'ok' }, { name: 'service.lab.clickhouse.tables', status: 'ok' }])

  await execute(`ALTER TABLE ${database}.readings DROP COLUMN note`)
  expect(await check()).toMatchObject([
    { status: 'ok' },
    {
      name: 'service.lab.clickhouse.tables',
      status: 'failed',
      code: 'SLU-5103',
      cause: expect.stringContaining('note') as string,
    },
  ])

  const away = new URL(server.url)
  away.port = '1'
  expect(await checkSink(system, 'lab', () => sinkAt(away.origin))).toMatchObject([
    { name: 'service.lab.clickhouse.connection', status: 'failed', code: 'SLU-5101' },
  ])
})
