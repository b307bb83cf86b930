import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteBudget } from './byte-budget.ts'

test('B1: what is held stays within the budget, but for one oversize request alone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 40 }), async (requests) => {
      const budget = new ByteBudget(100)
      await Promise.all(
        requests.map(async (bytes) => {
          await budget.acquire(bytes)
          expect(budget.heldBytes <= 100 || budget.heldBytes === bytes).toBe(true)
          await Promise.resolve()
          budget.release(bytes)
        }),
      )
      expect(budget.heldBytes).toBe(0)
    }),
  )
})

test('B2: a small request does not overtake a large one that waits', async () => {
  const budget = new ByteBudget(10)
  const order: string[] = []
  await budget.acquire(8)
  const large = budget.acquire(5).then(() => order.push('large'))
  const small = budget.acquire(1).then(() => order.push('small'))
  budget.release(8)
  await Promise.all([large, small])
  expect(order).toEqual(['large', 'small'])
})
