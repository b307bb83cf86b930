import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { quoteIdentifier, quoteLiteral, quoteQualified } from './sql-quoting.ts'

const TEXT = fc.oneof(fc.string(), fc.stringMatching(/^['"\\ $Ea]{0,8}$/))

test('names and texts are quoted as the driver does it', () => {
  fc.assert(
    fc.property(TEXT, (text) => {
      expect(quoteIdentifier(text)).toBe(pg.escapeIdentifier(text))
      expect(quoteLiteral(text)).toBe(pg.escapeLiteral(text))
    }),
  )
})

test('a name in a schema', () => {
  expect(quoteQualified('public', 'a "b"')).toBe('"public"."a ""b"""')
})
