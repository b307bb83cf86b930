import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toJson } from '@sluice/core'
import type { ServiceReport, TableReport, VerifyReport } from '@sluice/verify'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import { type MigrationCourse, migrationReport, writeMigrationReport } from './migration-report.ts'

const schema = JSON.parse(
  await readFile(new URL('../../../docs/reference/migration-report.schema.json', import.meta.url), 'utf8'),
) as object

function problemsOf(text: string): unknown {
  const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, allowUnionTypes: true })
  addFormats.default(ajv)
  return ajv.validate(schema, JSON.parse(text)) ? [] : ajv.errors
}

const table = (name: string, changed: Partial<TableReport> = {}): TableReport => ({
  table: name,
  sourceRows: 100,
  targetRows: 100,
  missing: 0,
  extra: 0,
  different: 0,
  status: 'equal',
  reason: null,
  comparedColumns: ['id'],
  targetOnlyColumns: [],
  examples: [{ kind: 'missing', key: ['4711'], columns: [] }],
  durationMs: 12,
  ...changed,
})

function courseOf(
  tables: readonly TableReport[],
  verdict: VerifyReport['verdict'] = 'equal',
  references: ServiceReport['references'] = [],
): MigrationCourse {
  const consistency = { rows: 0, equalRows: 0, references: 0, keptReferences: 0, percent: null }
  const service: ServiceReport = { service: 'crm', tables, references, consistency, lanes: [], parked: 3, edited: [] }
  return {
    startedAt: new Date('2026-11-21T08:00:00Z'),
    finishedAt: new Date('2026-11-21T08:05:00Z'),
    timings: [{ phase: 'verify', durationMs: 4000 }],
    steps: [{ place: 'service.crm', what: 'migrations', outcome: 'done', detail: '0001_crm' }],
    loads: [
      {
        lane: 'monolith',
        startedAt: '2026-11-20T08:00:00.000Z',
        finishedAt: null,
        rows: 7,
        tables: [
          { table: 'public.people', status: 'running', rows: 7, startedAt: '2026-11-20T08:00:00.000Z', finishedAt: null },
          { table: 'public.notes', status: 'pending', rows: 0, startedAt: null, finishedAt: null },
        ],
      },
    ],
    verification: {
      system: 'shop',
      verdict,
      isComplete: true,
      sources: [{ source: 'monolith', lsn: '0/16B3748' }],
      services: [service],
      chain: [{ lane: 'monolith', status: 'whole', links: 9_007_199_254_740_993n, events: 20n, problem: null, parkedAtRelay: 0 }],
      versions: { gaps: [], durationMs: 3 },
      durationMs: 4000,
      heldMs: 80,
    },
  }
}

test('a report is of the form that its schema fixes, and counts each service before and after', () => {
  const report = migrationReport(
    courseOf(
      [table('people', { sourceRows: 120, targetRows: 118, missing: 2, status: 'different' }), table('notes')],
      'different',
    ),
  )
  expect(problemsOf(toJson(report))).toEqual([])
  expect(report).toMatchObject({
    status: 'different',
    durationMs: 300_000,
    loads: [{ lane: 'monolith', rows: 7, finishedAt: null }],
    services: [{ service: 'crm', status: 'different', rowsBefore: 220, rowsAfter: 218, parkedEvents: 3, durationMs: 24 }],
  })
  expect(toJson(report)).toContain('"links":"9007199254740993"')
})

test('keys of rows stay in the verification', () => {
  expect(toJson(migrationReport(courseOf([table('people')])))).not.toContain('4711')
})

test.each([
  ['equal', [table('a'), table('b')]],
  ['partial', [table('a'), table('b', { status: 'unverifiable', reason: 'no query' })]],
  ['different', [table('a', { status: 'different' }), table('b', { status: 'unverifiable' })]],
  ['partial', []],
] as const)('a service is %s by what was compared of it', (status, tables) => {
  expect(migrationReport(courseOf(tables)).services[0]?.status).toBe(status)
})

test('a reference that leads nowhere makes its service different', () => {
  const reference = {
    constraint: 'notes_person',
    table: 'notes',
    references: 'people',
    rows: 9,
    orphans: 2,
    status: 'broken',
  } as const
  const [service] = migrationReport(courseOf([table('people'), table('notes')], 'different', [reference])).services
  expect(service).toMatchObject({ status: 'different', orphans: 2 })
})

test('the schema refuses what is missing, and what nobody knows', () => {
  const report = migrationReport(courseOf([table('a')]))
  expect(problemsOf(toJson({ ...report, status: undefined }))).toMatchObject([{ keyword: 'required' }])
  expect(problemsOf(toJson({ ...report, status: 'green' }))).toMatchObject([{ keyword: 'enum' }])
  expect(problemsOf(toJson({ ...report, extra: 1 }))).toMatchObject([{ keyword: 'additionalProperties' }])
})

test('it is written whole, or not at all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-report-'))
  const report = migrationReport(courseOf([table('a')]))
  await writeMigrationReport(join(folder, 'migration_report.json'), report)
  expect(await readdir(folder)).toEqual(['migration_report.json'])
  expect(problemsOf(await readFile(join(folder, 'migration_report.json'), 'utf8'))).toEqual([])
  await expect(writeMigrationReport(join(folder, 'no', 'report.json'), report)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await rm(folder, { recursive: true })
})
