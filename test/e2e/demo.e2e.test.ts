/** `npm run demo`, small: the report that the documentation promises, equal sides, and nothing left running. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { migrationReportErrors } from '../harness/migration-report.ts'
import { SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { waitUntil } from '../harness/wait-until.ts'

const LIMIT_MS = 180_000

const folders: string[] = []
const started: SluiceProcess[] = []

afterEach(async () => {
  for (const child of started.splice(0)) await child.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A folder for temporary files of one demo, so that what it leaves can be seen. Servers may run as another user. */
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
  chmodSync(folder, 0o711)
  folders.push(folder)
  return folder
}

function startDemo(args: readonly string[], temporary: string): SluiceProcess {
  const child = new SluiceProcess(['demo', ...args], { NO_COLOR: '1', TMPDIR: temporary })
  started.push(child)
  return child
}

/** Waits for a line of talk. */
function said(child: SluiceProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return waitUntil(String(pattern), LIMIT_MS, async () => {
    if (!child.isRunning) throw new Error(`the demo ended: ${child.stderr}`)
    return pattern.exec(child.stderr)
  })
}

/** Run folders of servers and demos that are still there. */
function runsIn(temporary: string): readonly string[] {
  return readdirSync(temporary, { recursive: true, encoding: 'utf8' }).filter((name) => /^sluice-\d+\/run-[^/]+$/.test(name))
}

interface DemoReport {
  readonly system: string
  readonly equal: boolean
  readonly durationMs: number
  readonly events: {
    readonly stored: number
    readonly published: number
    readonly applied: Readonly<Record<string, number>>
    readonly duplicates: number
    readonly redelivered: number
    readonly parked: number
  }
  readonly problems: readonly string[]
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly workload: { readonly changes: Readonly<Record<string, Readonly<Record<string, number>>>> }
  readonly lagMs: { readonly p50: number; readonly p99: number }
  readonly services: readonly {
    readonly service: string
    readonly tables: readonly {
      readonly table: string
      readonly sourceRows: number
      readonly targetRows: number
      readonly missing: number
      readonly extra: number
      readonly different: number
    }[]
  }[]
}

/** What is looked at of `migration_report.json`; its schema fixes the rest. */
interface MigrationReport {
  readonly durationMs: number
  readonly timings: readonly { readonly phase: string; readonly durationMs: number }[]
  readonly steps: readonly { readonly outcome: string }[]
  readonly loads: readonly {
    readonly lane: string
    readonly rows: number
    readonly tables: readonly { readonly rows: number }[]
  }[]
  readonly services: readonly { readonly service: string; readonly rowsBefore: number; readonly rowsAfter: number }[]
}

test('a dry run says what would run, and starts nothing', async () => {
  const temporary = temporaryFolder()
  const { code, stdout } = await runSluice(['demo', '--dry-run', '--json'], { TMPDIR: temporary })
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { ok: true, result: { dryRun: true, system: 'medcontracthub' } }])
  expect(runsIn(temporary)).toEqual([])
})

test('the demo splits the monolith under a workload and ends equal', async () => {
  const file = path.join(temporaryFolder(), 'migration_report.json')
  const args = ['demo', '--rows', '3000', '--seconds', '10', '--report', file, '--json']
  const { code, stdout, stderr } = await runSluice(args, { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly v: number; readonly ok: boolean; readonly result: DemoReport }
  expect(envelope).toMatchObject({ v: 1, ok: true })
  const { result } = envelope
  expect(result).toMatchObject({ system: 'medcontracthub', equal: true, problems: [], events: { duplicates: 0, parked: 0 } })
  expect(result.events.stored).toBeGreaterThan(3_000)
  expect(result.events.published).toBe(result.events.stored)
  expect(result.lagMs.p50).toBeGreaterThan(0)
  expect(result.lagMs.p99).toBeGreaterThanOrEqual(result.lagMs.p50)
  expect(result.services.map((s) => s.service)).toEqual(['ocr', 'analytics', 'ai', 'realtime', 'worker'])
  expect(Object.keys(result.rows)).toEqual(['monolith', 'ocr', 'analytics', 'ai', 'realtime', 'worker'])
  expect(Object.keys(result.rows['monolith']!)).toHaveLength(6)
  expect(
    Object.values(result.rows)
      .flatMap((tables) => Object.values(tables))
      .filter((n) => n === 0),
  ).toEqual([])
  const { 'public.companies': companies, ...others } = result.workload.changes
  expect(companies).toMatchObject({ insert: expect.any(Number) as number, delete: 0 })
  for (const [table, changes] of Object.entries(others)) {
    for (const [change, n] of Object.entries(changes)) expect(n, `${change} in ${table}`).toBeGreaterThan(0)
  }
  const migration = JSON.parse(readFileSync(file, 'utf8')) as MigrationReport
  expect(migrationReportErrors(migration)).toEqual([])
  expect(migration).toMatchObject({ system: 'medcontracthub', status: 'equal', validation: { isComplete: true } })
  expect(migration.timings.map(({ phase }) => phase)).toEqual(['fill', 'provision', 'load', 'workload', 'verify'])
  expect(migration.timings.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBeLessThanOrEqual(migration.durationMs)
  expect(migration.steps.filter(({ outcome }) => outcome === 'done')).not.toEqual([])
  expect(migration.loads).toMatchObject([{ lane: 'monolith', finishedAt: expect.any(String) as string }])
  expect(migration.loads[0]!.tables.filter(({ rows }) => rows === 0)).toEqual([])
  expect(migration.services.map((s) => [s.service, s.rowsAfter - s.rowsBefore])).toEqual(
    result.services.map((s) => [s.service, 0]),
  )
  for (const { service, tables } of result.services) {
    expect(result.events.applied[service], `${service} applied`).toBeGreaterThan(0)
    for (const table of tables) {
      expect(table, `${service}.${table.table}`).toMatchObject({ missing: 0, extra: 0, different: 0 })
      expect(table.sourceRows, `${service}.${table.table} has rows`).toBeGreaterThan(0)
    }
  }
})

test('a kept demo shows its report, can be looked at, and ends with its verdict on Ctrl-C, leaving nothing', async () => {
  const temporary = temporaryFolder()
  const demo = startDemo(['--keep', '--rows', '1000', '--seconds', '10', '--json'], temporary)
  const [, settings = ''] = await said(demo, /^ {2}set -a; \. (\S+); set \+a$/m)
  await said(demo, /^Ctrl-C ends it/m)
  const envelope = JSON.parse(demo.stdout) as { readonly ok: boolean; readonly result: DemoReport }
  expect(envelope).toMatchObject({ ok: true, result: { equal: true } })

  const env = Object.fromEntries([...readFileSync(settings, 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map((m) => [m[1]!, m[2]!]))
  expect(env).toMatchObject({ SLUICE_SYSTEM: 'medcontracthub' })
  const events = await runSluice(['--settings', settings, 'events', '--limit', '3', '--json'], {})
  expect(events.code, events.stderr).toBe(0)
  const listed = JSON.parse(events.stdout) as { result: { events: { correlationId: string }[] } }
  expect(listed.result.events).toHaveLength(3)
  const trace = await runSluice(['trace', listed.result.events[0]!.correlationId, '--json'], env)
  expect(trace.code, trace.stderr).toBe(0)
  const status = await runSluice(['--settings', settings, 'status', '--json'], {})
  expect(status.code, status.stderr).toBe(0)
  const { lanes } = (JSON.parse(status.stdout) as { result: { lanes: { store: { value: { position: string } } }[] } }).result
  expect(lanes.reduce((sum, lane) => sum + Number(lane.store.value.position), 0)).toBe(envelope.result.events.stored)

  demo.kill('SIGINT')
  expect(await demo.exit).toEqual({ code: 0, signal: null })
  expect(demo.stderr).not.toMatch(/Warning/)
  expect(existsSync(settings)).toBe(false)
  expect(runsIn(temporary)).toEqual([])
})

test('kill -9 of the demo: its servers end, and logs and settings go with them', async () => {
  const temporary = temporaryFolder()
  const demo = startDemo(['--keep', '--rows', '300'], temporary)
  await said(demo, /^\. migrating/m)
  expect(runsIn(temporary)).toHaveLength(1)
  demo.kill('SIGKILL')
  await demo.exit
  await waitUntil('nothing to be left', LIMIT_MS, async () => runsIn(temporary).length === 0)
})

test('a command that was misspelt: exit 2, with the right one', async () => {
  const { code, stderr } = await runSluice(['demmo'], { NO_COLOR: '1' })
  expect(code).toBe(2)
  expect(stderr).toContain('demo')
})
