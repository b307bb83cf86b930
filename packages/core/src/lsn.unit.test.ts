import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatLsn, lsnOf, parseLsn } from './lsn.ts'

test('an LSN survives its text form', () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), (n) => parseLsn(formatLsn(lsnOf(n))) === n))
})

test('the text form is that of PostgreSQL', () => {
  expect(formatLsn(lsnOf(0x16_b374d848n))).toBe('16/B374D848')
  expect(formatLsn(lsnOf(0n))).toBe('0/0')
})

test.each(['', '1', '1/', '/1', 'G/0', '123456789/0', '0/0 '])('"%s" is no LSN', (text) => {
  expect(() => parseLsn(text)).toThrow(RangeError)
})
