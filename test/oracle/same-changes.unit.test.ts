import { expect, test } from 'vitest'
import type { CommitChanges, RowChange } from './row-change.ts'
import { type ChangesReport, compareChanges } from './same-changes.ts'

const change = (text: string): RowChange => {
  const [op = '', key = '', newKey] = text.split(' ')
  return { aggregate: 'Proposal', op, key, newKey: op === 'u' ? (newKey ?? key) : null }
}
const commits = (...all: readonly (readonly string[])[]): CommitChanges[] =>
  all.map((changes, i) => ({ endLsn: BigInt(i + 1) * 10n, changes: changes.map(change) }))

async function* given(all: readonly CommitChanges[]): AsyncGenerator<CommitChanges> {
  yield* all
}
const compared = (source: readonly CommitChanges[], stored: readonly CommitChanges[], wholeFrom = 0n): Promise<ChangesReport> =>
  compareChanges(given(source), given(stored), wholeFrom)

const SOURCE = commits(['c a', 'u a', 'u b'], ['u a', 'u a b2'], ['d c', 't'])

test('the same changes in the same order are equal', async () => {
  expect(await compared(SOURCE, SOURCE)).toEqual({ changes: 7, lost: 0, doubled: 0, outOfOrder: 0, problems: [] })
})

test('an update that a later one overwrites is missed', async () => {
  const report = await compared(SOURCE, commits(['c a', 'u b'], ['u a', 'u a b2'], ['d c', 't']))
  expect(report).toMatchObject({ lost: 1, doubled: 0, outOfOrder: 0 })
  expect(report.problems).toEqual(['commit that ends at 0/A: u Proposal a is not in the store'])
})

test('an update that is stored twice is seen, in its commit or as a commit of its own', async () => {
  const within = commits(['c a', 'u a', 'u a', 'u b'], ['u a', 'u a b2'], ['d c', 't'])
  expect(await compared(SOURCE, within)).toMatchObject({ lost: 0, doubled: 1 })
  const apart = [...SOURCE, { endLsn: 40n, changes: [change('u a')] }]
  expect(await compared(SOURCE, apart)).toMatchObject({ lost: 0, doubled: 1 })
})

test('a whole commit that is missed counts with all its changes', async () => {
  expect(await compared(SOURCE, SOURCE.toSpliced(1, 1))).toMatchObject({ lost: 2, doubled: 0 })
  expect(await compared(SOURCE, SOURCE.slice(0, 2))).toMatchObject({ lost: 2 })
})

test('another order within a commit is seen, and another new key is another change', async () => {
  expect(await compared(SOURCE, commits(['u a', 'c a', 'u b'], ['u a', 'u a b2'], ['d c', 't']))).toMatchObject({
    lost: 0,
    doubled: 0,
    outOfOrder: 1,
  })
  expect(await compared(SOURCE, commits(['c a', 'u a', 'u b'], ['u a', 'u a b3'], ['d c', 't']))).toMatchObject({
    lost: 1,
    doubled: 1,
  })
})

test('up to the last snapshot of the load a commit may lack changes, and have no other', async () => {
  const loading = commits(['u b'], ['d a'], ['d c', 't'])
  expect(await compared(SOURCE, loading, 20n)).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0, problems: [] })
  expect(await compared(SOURCE, SOURCE.slice(2), 20n)).toMatchObject({ lost: 0, doubled: 0, problems: [] })
  expect(await compared(SOURCE, commits(['u b', 'u b'], [], ['d c', 't']), 20n)).toMatchObject({ doubled: 1 })
  expect(await compared(SOURCE, loading, 10n)).toMatchObject({ lost: 2, doubled: 1 })
})
