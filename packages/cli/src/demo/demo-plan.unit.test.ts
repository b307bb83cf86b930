import { expect, test } from 'vitest'
import { loadDemo } from './load-demo.ts'
import { demoPlanText, planDemo } from './demo-plan.ts'

const OPTIONS = { rows: 60_000, seed: 1, ratePerSecond: 300, seconds: 30 }

test('a dry run names servers, databases, processes and rows, and no URL', async () => {
  const environment = { SLUICE_TEST_PIPELINE_URL: 'postgresql://somebody:PLANTED@host/postgres' }
  const plan = planDemo(await loadDemo('rmbrain'), OPTIONS, environment)
  expect(plan.servers).toMatchObject({ monolith: 'started', pipeline: 'given', kafka: 'started', registry: 'started' })
  expect(plan.databases.slice(0, 3)).toEqual(['monolith', 'pipeline', 'cas_audit'])
  expect(plan.databases).toHaveLength(11)
  expect(plan.processes.slice(0, 3)).toEqual(['sluice run reader', 'sluice run relay', 'sluice run projector cas_audit'])
  const text = demoPlanText(plan)
  expect(text).toContain('pipeline (given)')
  expect(text).not.toContain('PLANTED')
})

test.each(['rmbrain', 'nanopore', 'medcontracthub', 'llama_mapper', 'acgs'])(
  'the demo of %s begins with at least 50,000 rows, no empty table, and a workload on every table',
  async (name) => {
    const { rows, workload } = planDemo(await loadDemo(name), OPTIONS, {})
    expect(Object.values(rows).reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(50_000)
    expect(Math.min(...Object.values(rows))).toBeGreaterThan(0)
    expect(Object.keys(workload.changes).sort()).toEqual(Object.keys(rows).sort())
    expect(Object.values(workload.changes).every((changes) => changes.includes('insert'))).toBe(true)
  },
)
