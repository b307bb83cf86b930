import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochMicros, lsnOf, positionNumber } from '@sluice/core'
import type { StoredCommit } from '@sluice/store'
import { cutPlan, planTransaction } from './transaction-plan.ts'

function commitsOf(sizes: readonly number[]): readonly StoredCommit[] {
  let last = 0
  return sizes.map((size, i) => {
    const first = last + 1
    last += size
    return {
      link: BigInt(i + 1),
      kind: 'commit',
      first: positionNumber(first),
      last: positionNumber(last),
      commitLsn: lsnOf(1n),
      endLsn: lsnOf(2n),
      committedAt: epochMicros(0n),
      hash: `hash ${i + 1}`,
    }
  })
}

const start = { link: 0n, head: 'start' }

test('plans cover every position once, part only commits above the bound, and name the last closed link', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (sizes, eventsMax) => {
        const all = commitsOf(sizes)
        const end = all.at(-1)!.last
        let after = positionNumber(0)
        let chain = start
        while (after < end) {
          const plan = planTransaction(
            all.filter((c) => c.last > after),
            after,
            chain,
            eventsMax,
          )
          expect(plan.after).toBe(after)
          expect(plan.through).toBeGreaterThan(after)
          const ends = all.find((c) => c.last === plan.through)
          expect(plan.commitEnd).toBe(ends !== undefined)
          if (!ends) {
            const inside = all.find((c) => c.first <= plan.through && plan.through < c.last)!
            expect(Number(inside.last - inside.first) + 1).toBeGreaterThan(eventsMax)
          }
          const closed = all.findLast((c) => c.last <= plan.through)
          expect(plan.chain).toEqual(closed ? { link: closed.link, head: closed.hash } : start)
          after = plan.through
          chain = plan.chain
        }
        expect(after).toBe(end)
      },
    ),
  )
})

test('a plan is cut at the last commit that ends below a position, or not at all', () => {
  const all = commitsOf([3, 3, 3])
  const plan = planTransaction(all, positionNumber(0), start, 100)
  expect(cutPlan(plan, all, positionNumber(8))).toMatchObject({ through: 6n, commitEnd: true, chain: { link: 2n } })
  expect(cutPlan(plan, all, positionNumber(2))).toBeNull()
})
