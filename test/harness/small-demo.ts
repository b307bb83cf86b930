/** `npm run demo -- --system NAME`, small, by its own process: what it reports once it has ended well. */
import { expect } from 'vitest'
import { runSluice } from './sluice-process.ts'

export interface SmallDemoReport {
  /** Rows of each table, by `monolith` and service. */
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly services: readonly {
    readonly service: string
    readonly tables: readonly { readonly table: string; readonly status: string }[]
  }[]
}

/** Expects exit code 0, equal tables and no problem: none is empty, no event doubled or parked, and the workload did to each what that allows. */
export async function expectSmallDemo(system: string, seconds = 5): Promise<SmallDemoReport> {
  const args = ['--system', system, 'demo', '--rows', '2000', '--seconds', String(seconds), '--json']
  const { code, stdout, stderr } = await runSluice(args, { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly ok: boolean; readonly result: SmallDemoReport }
  expect(envelope).toMatchObject({ ok: true, result: { system, equal: true, problems: [] } })
  const { services } = envelope.result
  expect(services.flatMap(({ tables }) => tables.filter(({ status }) => status !== 'equal'))).toEqual([])
  return envelope.result
}
