import { createMetrics } from '@sluice/telemetry'
import { expect, test } from 'vitest'
import { type SampleClient, sampleOutbox, sampleParked, sampleSlot } from './stage-samples.ts'

const metricsOf = () => createMetrics({ role: 'all', version: '0', revision: '0' })
const answering = (...rows: readonly object[]): SampleClient => ({ query: async () => ({ rows: rows as never[] }) })

test('a slot without a limit publishes no number for what is left', async () => {
  const metrics = metricsOf()
  const slot = { active: true, wal_status: 'reserved', retained: 2048, unconfirmed: 10, safe: null }
  const checks = await sampleSlot(metrics, 'slot.m', 's').read(answering(slot))
  expect(checks).toMatchObject([{ status: 'ok', summary: 'read, keeps 2.0 KiB of WAL, wal_status reserved' }])
  const text = await metrics.render()
  expect(text).toContain('sluice_slot_active{slot="s"} 1')
  expect(text).toContain('sluice_slot_retained_wal_bytes{slot="s"} 2048')
  expect(text).not.toContain('sluice_slot_safe_wal_bytes{')
})

test('a slot that is lost or gone shows as such, and its numbers go', async () => {
  const metrics = metricsOf()
  const sample = sampleSlot(metrics, 'slot.m', 's')
  const lost = { active: false, wal_status: 'lost', retained: 5, unconfirmed: 5, safe: 7 }
  expect(await sample.read(answering(lost))).toMatchObject([{ status: 'failed' }])
  expect(await sample.read(answering())).toMatchObject([{ status: 'warning' }])
  expect(await metrics.render()).not.toContain('slot="s"')
})

test('pending and parked events are counted', async () => {
  const metrics = metricsOf()
  expect(await sampleOutbox(metrics, 'o', 'shop', 'm').read(answering({ pending: 1200, age: 61 }))).toMatchObject([
    { status: 'warning', summary: '1,200 events wait, the oldest for 1 m 01 s' },
  ])
  const parked = sampleParked(metrics, 'p', 'orders')
  expect(await parked.read(answering({ parked: 3 }))).toMatchObject([{ status: 'warning', fix: ['sluice parked list orders'] }])
  expect(await metrics.render()).toContain('sluice_parked_events{projector="orders"} 3')
  parked.clear()
  expect(await metrics.render()).not.toContain('sluice_parked_events{')
})
