import { expect, test } from 'vitest'
import { Seed } from './seed.ts'

const drawn = (seed: Seed): number[] => {
  const random = seed.random()
  return Array.from({ length: 5 }, () => random.uint32())
}

test('what one user draws does not depend on who draws beside it, how much, or in which order they were named', () => {
  const alone = new Seed(7)
  const fault = drawn(alone.of('round 1').of('fault 3'))

  const beside = new Seed(7)
  const workload = beside.of('round 1').of('workload').random()
  for (let i = 0; i < 1_000; i += 1) workload.uint32()
  const laterFault = drawn(beside.of('round 1').of('fault 4'))
  expect(drawn(beside.of('round 1').of('fault 3'))).toEqual(fault)
  expect(drawn(alone.of('round 1').of('fault 4'))).toEqual(laterFault)
})

test('another name, another parent or another run gives something else', () => {
  const seed = new Seed(7)
  const seen = [
    seed.of('fault 1'),
    seed.of('fault 2'),
    seed.of('round 2').of('fault 1'),
    seed.of('fault 1').of('round 2'),
    new Seed(8).of('fault 1'),
  ]
  expect(new Set(seen.map(({ number }) => number)).size).toBe(seen.length)
})
