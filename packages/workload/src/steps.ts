/** What a transaction of the workload is made of. */
import { setTransactionContext } from '@sluice/outbox'
import type { WorkloadTransaction } from './transaction.ts'

/** Changes some rows, and leaves every foreign key whole. It may find nothing to do. */
export type Step = (transaction: WorkloadTransaction) => Promise<void>

/** A step is chosen in proportion to its weight. */
export type WeightedStep = readonly [weight: number, step: Step]

const CONTEXT_SHARE = 0.4
const UNDONE_SHARE = 0.1
/** Users that the context messages name. */
const USERS = 500

/** Steps until at least `rows` rows are changed. */
export async function fillTransaction(steps: readonly WeightedStep[], t: WorkloadTransaction, rows: number): Promise<void> {
  if (t.random.chance(CONTEXT_SHARE)) await nameContext(t)
  // Some steps find nothing to do, so their number is bounded too.
  for (let done = 0; t.rows < rows && done < rows * 4; done += 1) {
    await chooseStep(steps, t)(t)
    if (t.random.chance(UNDONE_SHARE)) await t.undone(() => chooseStep(steps, t)(t))
  }
}

async function nameContext(t: WorkloadTransaction): Promise<void> {
  await setTransactionContext(t.client, {
    correlationId: `request-${t.random.uuid()}`,
    userId: `user-${t.random.between(1, USERS)}`,
  })
  t.add({ contextMessages: 1 })
}

function chooseStep(steps: readonly WeightedStep[], t: WorkloadTransaction): Step {
  let left = t.random.fraction() * steps.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, step] of steps) {
    left -= weight
    if (left < 0) return step
  }
  return steps.at(-1)![1]
}
