/** `npm run demo -- --system rmbrain`, small. */
import { expect, test } from 'vitest'
import { expectSmallDemo } from '../harness/small-demo.ts'

test('RM Brain is split into its nine services under a workload, and ends equal', async () => {
  const { rows, services } = await expectSmallDemo('rmbrain')
  expect(services.map(({ service }) => service)).toHaveLength(9)
  const { monolith, ...owned } = rows
  expect(Object.assign({}, ...Object.values(owned))).toEqual(monolith)
})
