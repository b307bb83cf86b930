import { expect, test } from 'vitest'
import { type EndedEvent, endedRow, notParked } from './parked-ends.ts'

const ID = '0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55'
const closed: EndedEvent = {
  eventId: ID,
  lane: 1,
  position: 17n,
  result: 'closed',
  closedBy: 23n,
  endedAt: new Date('2026-11-21T12:00:00Z'),
}

test('an event that a truncate closed is listed with it, and a retry is refused with the reason', () => {
  expect(endedRow(closed)).toEqual([17n, ID, 'ended by the truncate at position 1:23', '2026-11-21T12:00:00.000Z'])
  expect(notParked('in analytics', ID, closed, 'sluice parked list analytics')).toMatchObject({
    code: 'EVENT_NOT_PARKED',
    what: `event ${ID} is not parked in analytics`,
    why:
      'it was ended by the truncate at position 1:23 on 2026-11-21T12:00:00.000Z: ' +
      'its row is gone in the source too, and a retry would bring it back',
  })
})

test('how the others ended, and that nothing is known, is said as well', () => {
  const why = (end: EndedEvent | undefined): string => notParked('in analytics', ID, end, 'sluice status').why
  expect(why({ ...closed, result: 'applied' })).toBe('it was applied when it was tried again on 2026-11-21T12:00:00.000Z')
  expect(why({ ...closed, result: 'skipped' })).toBe('it was given up on 2026-11-21T12:00:00.000Z')
  expect(why(undefined)).toBe('it never was, as far as is recorded')
})
