import { expect, test } from 'vitest'
import { buildFor } from './postgres-build.ts'

test('the default version has what PostgreSQL itself comes with', () => {
  expect(buildFor(undefined)).toEqual({ major: '17', hasVector: false })
  expect(buildFor('15', ['pg_trgm'])).toEqual({ major: '15', hasVector: false })
})

test('pgvector comes with one version', () => {
  expect(buildFor(undefined, ['vector'])).toEqual({ major: '16', hasVector: true })
  expect(buildFor('16', ['vector', 'plpgsql'])).toEqual({ major: '16', hasVector: true })
})

test('what no build has together is refused, with the reason', () => {
  expect(() => buildFor('17', ['vector'])).toThrow(/PostgreSQL 17 is asked for as well/)
  expect(() => buildFor(undefined, ['vector', 'pg_trgm'])).toThrow(/pg_trgm is asked for as well/)
})
