import { parseLsn } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { isOnTimeline, parseTimelineHistory } from './source-identity.ts'

const HISTORY = parseTimelineHistory('1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-01-01\n')

test('a timeline history is read', () => {
  expect(HISTORY).toEqual([
    { timeline: 1, at: parseLsn('0/3000000') },
    { timeline: 2, at: parseLsn('0/5000000') },
  ])
})

describe('the stored LSN is on the path to the server’s timeline', () => {
  test.each([
    ['on the same timeline', 3, '0/9000000', true],
    ['before the switch', 2, '0/4FFFFFF', true],
    ['at the switch', 2, '0/5000000', true],
    ['after the switch: what was read is not in the new server', 2, '0/5000001', false],
    ['on an older timeline, left later', 1, '0/2000000', true],
    ['on an older timeline, left before', 1, '0/3000001', false],
    ['on a timeline that is not in the history', 4, '0/1', false],
  ])('%s', (_name, timeline, lsn, isOn) => {
    expect(isOnTimeline({ timeline, lsn: parseLsn(lsn) }, 3, HISTORY)).toBe(isOn)
  })
})
