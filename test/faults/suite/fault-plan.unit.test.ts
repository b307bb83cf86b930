import { FAULT_POINTS } from '@sluice/core'
import { Random } from '@sluice/workload'
import { expect, test } from 'vitest'
import { FAULT_KINDS, kindsNamed } from './fault-kinds.ts'
import { planRounds } from './fault-plan.ts'

const names = (rounds: ReturnType<typeof planRounds>): string[][] => rounds.map((round) => round.map((kind) => kind.name))

test('a whole run strikes at least 200 faults, five of each kind and at each named point', () => {
  const all = names(planRounds(new Random(1), FAULT_KINDS)).flat()
  const counts = Map.groupBy(all, (name) => name)
  expect(all.length).toBeGreaterThanOrEqual(200)
  expect([...counts.keys()].sort()).toEqual(FAULT_KINDS.map((kind) => kind.name).sort())
  for (const [name, found] of counts) expect(found.length, name).toBeGreaterThanOrEqual(5)
  for (const point of FAULT_POINTS) expect(counts.has(point)).toBe(true)
})

test('the oracle is asked at least every twentieth fault', () => {
  for (const seed of [1, 2, 3]) {
    for (const round of planRounds(new Random(seed), FAULT_KINDS)) expect(round.length).toBeLessThanOrEqual(21)
  }
})

test('the same seed gives the same faults in the same order, another one another order', () => {
  const plan = (seed: number): string[][] => names(planRounds(new Random(seed), FAULT_KINDS))
  expect(plan(7)).toEqual(plan(7))
  expect(plan(8)).not.toEqual(plan(7))
})

test('a lane is made once in a round, a load has a bound of faults, and a dropped slot is the end', () => {
  for (const round of planRounds(new Random(3), FAULT_KINDS)) {
    expect(round.filter((kind) => kind.name === 'reader.lane-made').length).toBeLessThanOrEqual(1)
    for (const kind of round) {
      if (kind.when === 'load') expect(round.filter((k) => k === kind).length).toBeLessThanOrEqual(kind.perRoundMax)
    }
    const end = round.findIndex((kind) => kind.when === 'end')
    expect([-1, round.length - 1]).toContain(end)
    const lastOfLoad = round.findLastIndex((kind) => kind.when === 'load')
    expect(round.slice(0, lastOfLoad + 1).every((kind) => kind.when === 'load')).toBe(true)
  }
})

test('kinds are named whole or by their beginning, and what there is not is said', () => {
  expect(kindsNamed(['kill']).map((kind) => kind.name)).toEqual(['kill-reader', 'kill-relay', 'kill-projector'])
  expect(kindsNamed(['crash-kafka']).map((kind) => kind.name)).toEqual(['crash-kafka'])
  expect(() => kindsNamed(['meteor'])).toThrow(/no such fault: meteor; there are reader\.slot-made/)
})

test('a few faults of one kind are just those', () => {
  expect(names(planRounds(new Random(1), kindsNamed(['slot-dropped']), 3))).toEqual([
    ['slot-dropped'],
    ['slot-dropped'],
    ['slot-dropped'],
  ])
})
