import { SluiceError, parseUuid } from '@sluice/core'
import { createMetrics } from '@sluice/telemetry'
import { expect, test } from 'vitest'
import { projectorMetrics, readerMetrics } from './engine-metrics.ts'

test.each([{ kind: 'standby' }, { kind: 'active', partitions: 1 }] as const)(
  'a lane that stood still is forgotten when the projector is $kind anew',
  async (next) => {
    const metrics = createMetrics({ role: 'projector', version: '1', revision: 'r' })
    const { onProgress: tell } = projectorMetrics(metrics, 'orders', () => undefined)
    const error = new SluiceError('TOO_MANY_PARKED', { what: 'w', why: 'y', ways: [] })
    tell({ kind: 'lane-stopped', laneName: 'monolith', error, retryInMs: 1 })
    expect(await metrics.render()).toContain('sluice_projector_lane_stopped{projector="orders",lane="monolith"} 1')
    tell(next)
    expect(await metrics.render()).not.toContain('sluice_projector_lane_stopped{')
  },
)

test('a lane that stood still when the projector ended is forgotten: the gauge does not stay up for an engine that failed', async () => {
  const metrics = createMetrics({ role: 'projector', version: '1', revision: 'r' })
  const { onProgress, ended } = projectorMetrics(metrics, 'orders', () => undefined)
  const error = new SluiceError('TOO_MANY_PARKED', { what: 'w', why: 'y', ways: [] })
  onProgress({ kind: 'lane-stopped', laneName: 'monolith', error, retryInMs: 1 })
  ended()
  expect(await metrics.render()).not.toContain('sluice_projector_lane_stopped{')
})

test('a backfill: rows by what became of them, chunks, and the time that is left while it is known', async () => {
  const metrics = createMetrics({ role: 'reader', version: '1', revision: 'r' })
  const tell = readerMetrics(metrics, 'monolith')
  const labels = 'lane="monolith",table="public.orders"'
  const run = {
    kind: 'backfill',
    id: parseUuid('5c4ba1b0-9c1c-4f6e-9d39-0f1f0c0a7b11'),
    table: 'public.orders',
    status: 'running',
    rowsRead: 5n,
    rowsStored: 4n,
    rowsEstimate: 10n,
    waitsFor: null,
  } as const
  tell({ kind: 'backfill-chunk', table: 'public.orders', rowsStored: 4, rowsDropped: 1 })
  tell({ kind: 'backfill-chunk', table: 'public.orders', rowsStored: 2, rowsDropped: 0 })
  tell({ ...run, secondsLeft: 2.5 })
  const text = await metrics.render()
  expect(text).toContain(`sluice_backfill_rows_total{${labels},result="stored"} 6`)
  expect(text).toContain(`sluice_backfill_rows_total{${labels},result="newer"} 1`)
  expect(text).toContain(`sluice_backfill_chunks_total{${labels}} 2`)
  expect(text).toContain(`sluice_backfill_left_seconds{${labels}} 2.5`)
  tell({ ...run, status: 'completed', secondsLeft: null })
  expect(await metrics.render()).not.toContain('sluice_backfill_left_seconds{')
})
