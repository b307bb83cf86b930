/** Which faults strike, and in which round: decided by the seed alone, before anything is started. */
import type { Random } from '@sluice/workload'
import type { FaultKind } from './fault-kinds.ts'

/** After so many faults the oracle compares everything. */
const ROUND_FAULTS = 20
/** The least number of each kind in a whole run. */
const EACH = 5

/** Faults in the order in which they strike. */
export type Round = readonly FaultKind[]

/**
 * Every kind equally often, as far as `faults` goes, in random order; each round has a beginning, so faults of the load are spread
 * over rounds, and at most one of those that end a round is in each.
 *
 * @param faults five of each kind, if it is not given
 */
export function planRounds(random: Random, kinds: readonly FaultKind[], faults = EACH * kinds.length): readonly Round[] {
  const chosen = shuffled(random, kinds)
  const all = Array.from({ length: faults }, (_, i) => chosen[i % chosen.length]!)
  const rounds: FaultKind[][] = Array.from({ length: roundsNeeded(all) }, () => [])
  const places = new Map<FaultKind, number>()
  const bound = shuffled(
    random,
    all.filter((kind) => kind.when !== 'streaming'),
  )
  for (const kind of bound) {
    const place = kind.when === 'end' ? (places.get(kind) ?? 0) : leastFilled(rounds, kind)
    places.set(kind, place + 1)
    rounds[place]!.push(kind)
  }
  for (const kind of shuffled(
    random,
    all.filter((k) => k.when === 'streaming'),
  ))
    rounds[leastFilled(rounds)]!.push(kind)
  return rounds.map((round) => inOrder(random, round, kinds))
}

/** @param kind counts only its own faults: it goes where fewest of it are */
function leastFilled(rounds: readonly (readonly FaultKind[])[], kind?: FaultKind): number {
  const sizes = rounds.map((round) => (kind ? round.filter((k) => k === kind).length : round.length))
  return sizes.indexOf(Math.min(...sizes))
}

function roundsNeeded(all: readonly FaultKind[]): number {
  const counts = new Map<FaultKind, number>()
  for (const kind of all) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const perKind = [...counts].map(([kind, count]) => {
    if (kind.when === 'streaming') return 1
    return kind.when === 'end' ? count : Math.ceil(count / kind.perRoundMax)
  })
  return Math.max(1, Math.ceil(all.length / ROUND_FAULTS), ...perKind)
}

/** The beginning's faults as it passes them, the others at random, the end's last. */
function inOrder(random: Random, round: readonly FaultKind[], kinds: readonly FaultKind[]): Round {
  return [
    ...kinds.flatMap((kind) => (kind.when === 'load' ? round.filter((k) => k === kind) : [])),
    ...shuffled(
      random,
      round.filter((kind) => kind.when === 'streaming'),
    ),
    ...round.filter((kind) => kind.when === 'end'),
  ]
}

function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  const placed = items.map((item) => ({ item, place: random.uint32() }))
  return placed.sort((a, b) => a.place - b.place).map(({ item }) => item)
}
