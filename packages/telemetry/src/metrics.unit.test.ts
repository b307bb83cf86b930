import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createDatabaseMetrics } from './database-metrics.ts'
import { createMetrics } from './metrics.ts'

const PAGE = new URL('../../../docs/operations.md', import.meta.url)

test('the page on operations names every metric, and none that there is not', async () => {
  const text = [
    await createMetrics({ role: 'all', version: '0', revision: '0' }).render(),
    await createDatabaseMetrics().render(),
  ].join('\n')
  const declared = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1])
  const rows = readFileSync(PAGE, 'utf8').match(/^\| `sluice_.*$/gm) ?? []
  const named = rows.flatMap((row) => [...row.matchAll(/`(sluice_[a-z_]+)`/g)].map((match) => match[1]))
  expect([...new Set(named)].toSorted()).toEqual([...new Set(declared)].toSorted())
})
