import { positionNumber } from '@sluice/core'
import { expect, test } from 'vitest'
import { CorrelationRuns } from './correlation-runs.ts'

test('joins neighbours of one correlation, and begins anew when it comes again', () => {
  const runs = new CorrelationRuns()
  for (const [i, id] of ['a', 'a', 'b', 'a'].entries()) runs.add(id, positionNumber(10 + i))
  expect([runs.ids, runs.firsts, runs.lasts]).toEqual([
    ['a', 'b', 'a'],
    [10n, 12n, 13n],
    [11n, 12n, 13n],
  ])
})
