import { SluiceError } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import { type SystemDefinition, clickhouseEvents, defineSystem, mapTable, table, text, topic, uuid } from '@sluice/system'
import { expect, test } from 'vitest'
import { MemorySink } from '../../projector/test/memory-sink.ts'
import { checkSink } from './sink-checks.ts'

const nowhere = new URL('file:///none/')
const notices = table('notices', {
  columns: { id: uuid(), title: text() },
  key: ['id'],
  aggregate: 'Notice',
  topic: topic('doctor.notices'),
})
const events = clickhouseEvents(notices, { into: 'notice_events', structure: nowhere, columns: (c) => ({ title: c.title }) })
const system: SystemDefinition = defineSystem({
  name: 'doctor_sinks',
  avroSchemas: nowhere,
  monolith: { tables: [notices] },
  services: {
    analytics: { migrations: nowhere, projections: [], sinks: [events] },
    plain: { migrations: nowhere, projections: [mapTable(notices, { into: 'notices' })] },
  },
})

function fault(code: 'SINK_UNREACHABLE' | 'SINK_REFUSED' | 'SINK_NOT_PROVISIONED'): SluiceError {
  return new SluiceError(code, { what: `the test says ${code}`, why: 'a reason', ways: ['a way out'] })
}

/** What is said of a sink that does one thing in another way, and whether it was closed. */
async function checked(changed: Partial<Pick<Sink, 'open' | 'missing'>> = {}) {
  let isClosed = false
  const sink = Object.assign(new MemorySink(), changed, {
    close: () => {
      isClosed = true
      return Promise.resolve()
    },
  })
  const checks = await checkSink(system, 'analytics', () => sink)
  return { checks, isClosed, written: sink.written }
}

test('a sink that answers, and has its tables, is ready; it is closed, and nothing was written', async () => {
  expect(await checked()).toMatchObject({
    checks: [
      { name: 'service.analytics.clickhouse.connection', status: 'ok', summary: 'connected to memory' },
      { name: 'service.analytics.clickhouse.tables', status: 'ok' },
    ],
    isClosed: true,
    written: [],
  })
})

test('tables that are missing are told by name, with the command that makes them', async () => {
  const { checks } = await checked({ missing: () => Promise.resolve([events]) })
  expect(checks[1]).toMatchObject({
    status: 'warning',
    summary: 'tables are missing: notice_events',
    fix: ['sluice provision --service analytics'],
    code: 'SLU-5103',
  })
})

test('a table with another form fails', async () => {
  const { checks } = await checked({ open: () => Promise.reject(fault('SINK_NOT_PROVISIONED')) })
  expect(checks).toMatchObject([{ status: 'ok' }, { status: 'failed', code: 'SLU-5103', cause: 'a reason', fix: ['a way out'] }])
})

test.each([
  ['SINK_UNREACHABLE', 'SLU-5101'],
  ['SINK_REFUSED', 'SLU-5102'],
] as const)('a sink that answers with %s fails, whatever was asked, and is closed', async (code, number) => {
  for (const changed of [{ missing: () => Promise.reject(fault(code)) }, { open: () => Promise.reject(fault(code)) }]) {
    const { checks, isClosed } = await checked(changed)
    expect(checks).toMatchObject([{ name: 'service.analytics.clickhouse.connection', status: 'failed', code: number }])
    expect(isClosed).toBe(true)
  }
})

test('a sink that nobody said how to reach is not called ready', async () => {
  expect(await checkSink(system, 'analytics', null)).toMatchObject([
    { name: 'service.analytics.clickhouse.connection', status: 'skipped' },
  ])
})

test('of a service without a sink nothing is said', async () => {
  expect(await checkSink(system, 'plain', null)).toEqual([])
})
