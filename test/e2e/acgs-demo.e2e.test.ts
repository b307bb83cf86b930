/** `npm run demo -- --system acgs`, small. */
import { expect, test } from 'vitest'
import { expectSmallDemo } from '../harness/small-demo.ts'

test('ACGS is split into its eight services by one command under a workload, copies and chains with it, and ends equal', async () => {
  const { services } = await expectSmallDemo('acgs')
  expect(services.map(({ service }) => service)).toHaveLength(8)
})
