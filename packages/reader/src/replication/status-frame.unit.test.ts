import { lsnOf } from '@sluice/core'
import { expect, test } from 'vitest'
import { statusFrame } from './status-frame.ts'

test('the frame says the LSN itself three times, and the time since 2000', () => {
  const frame = statusFrame(lsnOf(0x16_b374_d848n), Date.UTC(2000, 0, 1, 0, 0, 1), true)
  expect(frame.toString('hex')).toBe('72' + '00000016b374d848'.repeat(3) + (1_000_000).toString(16).padStart(16, '0') + '01')
  expect(statusFrame(lsnOf(0n), Date.UTC(2000, 0, 1), false).toString('hex')).toBe(`72${'00'.repeat(33)}`)
})
