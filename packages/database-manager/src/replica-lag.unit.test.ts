import { lsnOf } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReplicaLag } from './replica-lag.ts'

test('nothing is known at first', () => {
  const lag = new ReplicaLag()
  expect(lag.lagMs(0)).toBe(Infinity)
  lag.primaryAt(0, lsnOf(10n))
  lag.replayed(lsnOf(9n))
  expect(lag.lagMs(1)).toBe(Infinity)
})

test('a replica that has replayed a position has what was committed before the primary was asked for it', () => {
  const lag = new ReplicaLag()
  lag.primaryAt(1_000, lsnOf(10n))
  lag.primaryAt(2_000, lsnOf(20n))
  lag.replayed(lsnOf(10n))
  expect(lag.lagMs(2_500)).toBe(1_500)
  lag.replayed(lsnOf(20n))
  expect(lag.lagMs(2_500)).toBe(500)
})

test('an idle primary makes no lag, and a silent one makes it grow', () => {
  const lag = new ReplicaLag()
  for (const atMs of [1_000, 2_000, 3_000]) {
    lag.primaryAt(atMs, lsnOf(10n))
    lag.replayed(lsnOf(10n))
    expect(lag.lagMs(atMs)).toBe(0)
  }
  expect(lag.lagMs(60_000)).toBe(57_000)
})

test('whatever is noted, and however long the replica stands still, no lag is shown smaller than it is', () => {
  const step = fc.record({ wal: fc.nat(3), replays: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000 }), (steps) => {
      const lag = new ReplicaLag()
      const primary: { readonly atMs: number; readonly lsn: bigint }[] = []
      let replica = -1n
      steps.forEach(({ wal, replays }, atMs) => {
        const lsn = (primary.at(-1)?.lsn ?? 0n) + BigInt(wal)
        primary.push({ atMs, lsn })
        lag.primaryAt(atMs, lsnOf(lsn))
        if (replays && replica < lsn) replica += 1n
        if (replica >= 0n) lag.replayed(lsnOf(replica))
        // The newest moment whose position the replica has.
        const has = primary.findLast((sample) => sample.lsn <= replica)
        expect(lag.lagMs(atMs)).toBeGreaterThanOrEqual(has === undefined ? Infinity : atMs - has.atMs)
      })
    }),
    { numRuns: 50 },
  )
})
