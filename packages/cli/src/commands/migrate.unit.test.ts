import { SluiceError } from '@sluice/core'
import type { ServiceMigration, ServiceMigrationStatus } from '@sluice/migrate'
import { expect, test } from 'vitest'
import { type StyledStream, styleOf } from '../glyphs.ts'
import { statusText, upText } from './migrate.ts'

const TERMINAL = styleOf({ isTTY: true } as StyledStream, {})
const PIPE = styleOf({ isTTY: false } as StyledStream, {})
const ERROR = new SluiceError('MIGRATION_FAILED', { what: '0002_b.sql failed', why: 'SQLSTATE 42601', ways: [] })

const RED = '\u001B[31m'
const GREEN = '\u001B[32m'
const YELLOW = '\u001B[33m'
const DIM = '\u001B[2m'

test('on a terminal each outcome of a migration has its colour, elsewhere none', () => {
  const outcomes = ['migrated', 'up to date', 'planned', 'failed', 'not begun'] as const
  const services = outcomes.map((outcome): ServiceMigration => ({
    service: 's',
    outcome,
    migrations: [],
    error: outcome === 'failed' ? ERROR : null,
  }))
  const text = upText(services, TERMINAL)
  expect(text).toContain(`${GREEN}migrated`)
  expect(text).toContain(`${GREEN}up to date`)
  expect(text).toContain(`${YELLOW}planned`)
  expect(text).toContain(`${RED}failed`)
  expect(text).toContain(`${DIM}not begun`)
  expect(upText(services, PIPE)).not.toContain('\u001B')
})

test('on a terminal the state of each database has its colour, elsewhere none', () => {
  const upToDate: ServiceMigrationStatus = {
    service: 's',
    applied: [{ name: '0001_a.sql', appliedAt: new Date(0) }],
    pending: [],
    missing: [],
    sluicePending: [],
    error: null,
  }
  const services = [upToDate, { ...upToDate, pending: ['0002_b.sql'] }, { ...upToDate, error: ERROR }]
  const text = statusText(services, TERMINAL)
  expect(text).toContain(`${GREEN}up to date`)
  expect(text).toContain(`${YELLOW}pending: 0002_b.sql`)
  expect(text).toContain(`${RED}${ERROR.number} SQLSTATE 42601`)
  expect(statusText(services, PIPE)).not.toContain('\u001B')
})
