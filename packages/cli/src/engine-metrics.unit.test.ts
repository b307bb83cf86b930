import { SluiceError } from '@sluice/core'
import { createMetrics } from '@sluice/telemetry'
import { expect, test } from 'vitest'
import { projectorMetrics } from './engine-metrics.ts'

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
