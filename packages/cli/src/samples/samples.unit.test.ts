import {
  type ControlRecord,
  formatControlRecord,
  laneId,
  offsetOf,
  parseUuid,
  positionNumber,
  silentLogger,
  SluiceError,
} from '@sluice/core'
import type { IncomingMessage, KafkaAdmin, KafkaPort } from '@sluice/kafka'
import { postgresTarget } from '@sluice/postgres'
import { createMetrics } from '@sluice/telemetry'
import { afterEach, expect, test, vi } from 'vitest'
import { createStageSampler } from '../stage-sampler.ts'
import { sampleOutbox } from './outbox-sample.ts'
import { sampleParked } from './parked-sample.ts'
import { sampleProjectorLag } from './projector-lag-sample.ts'
import type { OnDatabase, Sample } from './sample.ts'
import { sampleSlot } from './slot-sample.ts'
import { sampleSourceLag } from './source-lag-sample.ts'

const EPOCH = parseUuid('0190a4c2-7d3e-4c1a-9b52-7f5e2d1c3b4a')
const metricsOf = () => createMetrics({ role: 'all', version: '0', revision: '0' })
const target = postgresTarget('monolith', 'postgresql://u@h/d')

/** Answers the statements in their order, a row each; null is no row. */
function answering(...rows: readonly (object | null)[]): OnDatabase {
  let next = 0
  return (_target, work) =>
    work({
      query: async () => {
        const row = rows[next++]
        return { rows: row === null || row === undefined ? [] : [row as never] }
      },
    })
}

/** A control topic that holds one record at each offset. */
function controlTopic(...records: readonly { readonly position: number; readonly ageMs: number }[]): KafkaPort {
  const messages = records.map(({ position, ageMs }, i): IncomingMessage => {
    const record: ControlRecord = {
      lane: laneId(1),
      laneName: 'monolith',
      epoch: EPOCH,
      position: positionNumber(position),
      previous: positionNumber(0),
      commitEnd: true,
      link: 1n,
      head: '',
      partitions: [],
      clusterId: 'c',
    }
    const value = Buffer.from(formatControlRecord(record))
    return { offset: offsetOf(i), key: null, value, headers: {}, timestampMs: Date.now() - ageMs }
  })
  const admin: Partial<KafkaAdmin> = {
    offsets: async () => [{ partition: 0, low: offsetOf(0), high: offsetOf(messages.length) }],
    close: async () => undefined,
  }
  const port: Partial<KafkaPort> = {
    admin: async () => admin as KafkaAdmin,
    readPartition: async function* (_topic, _partition, from) {
      yield* messages.filter((m) => m.offset >= from)
    },
  }
  return port as KafkaPort
}

afterEach(() => {
  vi.useRealTimers()
})

test('a slot without a limit publishes no number for what is left', async () => {
  const metrics = metricsOf()
  const slot = { active: true, wal_status: 'reserved', retained: 2048, unconfirmed: 10, safe: null }
  const checks = await sampleSlot(metrics, 'm', 's', target).look(answering(slot))
  expect(checks).toMatchObject([{ name: 'slot.m', status: 'ok', summary: 'read, keeps 2.0 KiB of WAL, wal_status reserved' }])
  const text = await metrics.render()
  expect(text).toContain('sluice_slot_active{slot="s"} 1')
  expect(text).toContain('sluice_slot_retained_wal_bytes{slot="s"} 2048')
  expect(text).not.toContain('sluice_slot_safe_wal_bytes{')
})

test('a slot that is lost or gone shows as such, and its numbers go', async () => {
  const metrics = metricsOf()
  const sample = sampleSlot(metrics, 'm', 's', target)
  const lost = { active: false, wal_status: 'lost', retained: 5, unconfirmed: 5, safe: 7 }
  expect(await sample.look(answering(lost))).toMatchObject([{ status: 'failed' }])
  expect(await sample.look(answering(null))).toMatchObject([{ status: 'warning' }])
  expect(await metrics.render()).not.toContain('slot="s"')
})

test('the source is behind only while its WAL ends after what is stored', async () => {
  const metrics = metricsOf()
  const sample = sampleSourceLag(metrics, { system: 'shop', lane: 'm', source: target, pipeline: target })
  const end = { wal_end: '0/5' }
  expect(await sample.look(answering(end, { behind: 4096, age: 90 }))).toMatchObject([{ name: 'source.m', status: 'warning' }])
  expect(await metrics.render()).toContain('sluice_source_lag_seconds{lane="m"} 90')
  expect(await sample.look(answering(end, { behind: 0, age: 90 }))).toMatchObject([{ status: 'ok' }])
  expect(await metrics.render()).toContain('sluice_source_lag_seconds{lane="m"} 0')
  await sample.look(answering(end, null))
  expect(await metrics.render()).not.toContain('sluice_source_lag_seconds{')
})

test('a projector is behind by positions, since the first record that it has not applied was published', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const metrics = metricsOf()
  const kafka = controlTopic({ position: 10, ageMs: 500_000 }, { position: 25, ageMs: 100_000 }, { position: 40, ageMs: 1_000 })
  const place = { service: 'orders', target, kafka, lane: 'm', controlTopic: 'c' }
  const sample = sampleProjectorLag(metrics, place)
  expect(await sample.look(answering({ applied: '10', next: '1' }))).toMatchObject([
    { name: 'projector.orders.m', status: 'warning' },
  ])
  const behind = await metrics.render()
  expect(behind).toContain('sluice_projector_lag_events{projector="orders",lane="m"} 30')
  expect(behind).toContain('sluice_projector_lag_seconds{projector="orders",lane="m"} 100\n')
  expect(await sample.look(answering({ applied: '40', next: '3' }))).toMatchObject([{ status: 'ok' }])
  const level = await metrics.render()
  expect(level).toContain('sluice_projector_lag_events{projector="orders",lane="m"} 0')
  expect(level).toContain('sluice_projector_lag_seconds{projector="orders",lane="m"} 0')
})

test('pending and parked events are counted', async () => {
  const metrics = metricsOf()
  expect(await sampleOutbox(metrics, 'shop', 'm', target).look(answering({ pending: 1200, age: 61, parked: 2 }))).toMatchObject([
    { status: 'warning', summary: '1,200 events wait, the oldest for 1 m 01 s' },
    { status: 'warning', fix: ['sluice parked list m --relay'] },
  ])
  const parked = sampleParked(metrics, 'orders', target)
  expect(await parked.look(answering({ parked: 3 }))).toMatchObject([{ status: 'warning', fix: ['sluice parked list orders'] }])
  expect(await metrics.render()).toContain('sluice_parked_events{projector="orders"} 3')
  parked.clear()
  expect(await metrics.render()).not.toContain('sluice_parked_events{')
})

test('a stage whose server does not answer holds up no other, and shows nothing that it does not know', async () => {
  const stop = new AbortController()
  let isCleared = false
  const hung: Sample = { name: 'hung', look: () => new Promise(() => undefined), clear: () => undefined }
  const down: Sample = {
    name: 'down',
    look: () => Promise.reject(new SluiceError('KAFKA_UNREACHABLE', { what: 'w', why: 'y', ways: ['sluice doctor'] })),
    clear: () => {
      isCleared = true
    },
  }
  const seen = Promise.withResolvers<undefined>()
  const well: Sample = {
    name: 'well',
    look: async () => {
      setImmediate(() => seen.resolve(undefined))
      return [{ name: 'well', status: 'ok', summary: 's' }]
    },
    clear: () => undefined,
  }
  const sampler = createStageSampler([hung, down, well], silentLogger)
  // The stage that hangs never ends it.
  sampler.run(stop.signal).catch(() => undefined)
  await seen.promise
  stop.abort()
  expect(sampler.checks().toSorted((a, b) => a.name.localeCompare(b.name))).toMatchObject([
    { name: 'down', status: 'failed', code: 'SLU-4001', fix: ['sluice doctor'] },
    { name: 'well', status: 'ok' },
  ])
  expect(isCleared).toBe(true)
})
