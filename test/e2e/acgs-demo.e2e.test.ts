/** `npm run demo -- --system acgs`, small. */
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'

interface Report {
  readonly services: readonly { readonly service: string; readonly tables: readonly { readonly status: string }[] }[]
}

test('ACGS is split into its eight services by one command under a workload, copies and chains with it, and ends equal', async () => {
  const args = ['--system', 'acgs', 'demo', '--rows', '2000', '--seconds', '5', '--json']
  const { code, stdout, stderr } = await runSluice(args, { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly ok: boolean; readonly result: Report }
  // Without problems no table is empty, no event is doubled or parked, and the workload did to every table what that allows.
  expect(envelope).toMatchObject({ ok: true, result: { system: 'acgs', equal: true, problems: [] } })
  const { services } = envelope.result
  expect(services.map(({ service }) => service)).toHaveLength(8)
  expect(services.flatMap(({ tables }) => tables.filter(({ status }) => status !== 'equal'))).toEqual([])
})
