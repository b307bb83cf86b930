/** `npm run demo -- --system rmbrain`, small. */
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'

interface Report {
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly services: readonly { readonly service: string; readonly tables: readonly { readonly status: string }[] }[]
}

test('RM Brain is split into its nine services under a workload, and ends equal', async () => {
  const args = ['--system', 'rmbrain', 'demo', '--rows', '2000', '--seconds', '5', '--json']
  const { code, stdout, stderr } = await runSluice(args, { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly ok: boolean; readonly result: Report }
  // Without problems no table is empty, no event is doubled or parked, and the workload did to every table what that allows.
  expect(envelope).toMatchObject({ ok: true, result: { system: 'rmbrain', equal: true, problems: [] } })
  const { rows, services } = envelope.result
  expect(services.map(({ service }) => service)).toHaveLength(9)
  expect(services.flatMap(({ tables }) => tables.filter(({ status }) => status !== 'equal'))).toEqual([])
  const { monolith, ...owned } = rows
  expect(Object.assign({}, ...Object.values(owned))).toEqual(monolith)
})
