/** `npm run demo`, small: the report that the documentation promises, equal sides, and nothing left running. */
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'

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

test('the demo splits the monolith under a workload and ends equal', async () => {
  const { code, stdout, stderr } = await runSluice(['demo', '--rows', '1000', '--json'], { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly v: number; readonly ok: boolean; readonly result: DemoReport }
  expect(envelope).toMatchObject({ v: 1, ok: true })
  const { result } = envelope
  expect(result).toMatchObject({ system: 'medcontracthub', equal: true, events: { duplicates: 0, parked: 0 } })
  expect(result.events.stored).toBeGreaterThan(3_000)
  expect(result.events.published).toBe(result.events.stored)
  expect(result.lagMs.p50).toBeGreaterThan(0)
  expect(result.lagMs.p99).toBeGreaterThanOrEqual(result.lagMs.p50)
  expect(result.services.map((s) => s.service)).toEqual(['ocr', 'analytics', 'ai', 'realtime', 'worker'])
  for (const { service, tables } of result.services) {
    expect(result.events.applied[service], `${service} applied`).toBeGreaterThan(0)
    for (const table of tables) {
      expect(table, `${service}.${table.table}`).toMatchObject({ missing: 0, extra: 0, different: 0 })
      expect(table.sourceRows, `${service}.${table.table} has rows`).toBeGreaterThan(0)
    }
  }
})

test('a command that was misspelt: exit 2, with the right one', async () => {
  const { code, stderr } = await runSluice(['demmo'], { NO_COLOR: '1' })
  expect(code).toBe(2)
  expect(stderr).toContain('demo')
})
