/** `npm run demo -- --system llama_mapper`, small. */
import { expect, test } from 'vitest'
import { expectSmallDemo } from '../harness/small-demo.ts'

test('the storage records are split into three services under a workload, and end equal', async () => {
  const { services, rows } = await expectSmallDemo('llama_mapper')
  expect(services.map(({ service }) => service)).toEqual(['orchestration', 'analysis', 'mapper'])
  // Every table of the document is there, the derived ones with it.
  const owned = services.flatMap(({ service }) => Object.keys(rows[service]!))
  expect(owned.length).toBeGreaterThanOrEqual(34)
})
