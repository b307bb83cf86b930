import { SluiceError, positionNumber } from '@sluice/core'
import type { ProjectorProgress } from '@sluice/projector'
import { expect, test } from 'vitest'
import { projectorSigns } from './engine-signs.ts'

test('a projector with a lane that stands still is in trouble until that lane goes on, whatever the others do', () => {
  const told: string[] = []
  const tell = projectorSigns({ progress: () => told.push('progress'), trouble: (error) => told.push(error.number) })
  const error = new SluiceError('TOO_MANY_PARKED', { what: 'w', why: 'y', ways: ['sluice parked list sales'] })
  const standing: ProjectorProgress = { kind: 'standing', lane: 2, at: positionNumber(7) }
  for (const progress of [
    standing,
    { kind: 'lane-stopped', laneName: 'monolith', error, retryInMs: 1 },
    standing,
    { kind: 'lane-resumed', laneName: 'monolith' },
    standing,
  ] as const) {
    tell(progress)
  }
  expect(told).toEqual(['progress', 'SLU-5023', 'progress', 'progress'])
})
