/** `npm run demo -- --system llama_mapper`, small. */
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'

interface Report {
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly services: readonly {
    readonly service: string
    readonly tables: readonly { readonly table: string; readonly status: string }[]
  }[]
}

test('the storage records are split into three services under a workload, and end equal', async () => {
  const args = ['--system', 'llama_mapper', 'demo', '--rows', '2000', '--seconds', '5', '--json']
  const { code, stdout, stderr } = await runSluice(args, { NO_COLOR: '1' })
  expect(code, stderr).toBe(0)
  const envelope = JSON.parse(stdout) as { readonly ok: boolean; readonly result: Report }
  // Without problems no table is empty, no event is doubled or parked, and the workload did to every table what that allows.
  expect(envelope).toMatchObject({ ok: true, result: { system: 'llama_mapper', equal: true, problems: [] } })
  const { services, rows } = envelope.result
  expect(services.map(({ service }) => service)).toEqual(['orchestration', 'analysis', 'mapper'])
  expect(services.flatMap(({ tables }) => tables.filter(({ status }) => status !== 'equal'))).toEqual([])
  // Every table of the document is there, the derived ones with it.
  const owned = services.flatMap(({ service }) => Object.keys(rows[service]!))
  expect(owned.length).toBeGreaterThanOrEqual(34)
})
