/**
 * What decides a run: a tree of seeds, each under a name. What one of them gives follows from the run's seed and the names above it, not
 * from who drew before: so whatever runs beside, or goes on until a time, changes nothing elsewhere.
 */
import { Random, derivedSeed } from '@sluice/workload'

export class Seed {
  /** From 0 to 2^32 - 1. */
  readonly number: number

  constructor(number: number) {
    this.number = number
  }

  /** The seed of this name below this one: the same for the same name, however often it is asked for. */
  of(name: string): Seed {
    return new Seed(derivedSeed(this.number, name))
  }

  /** A generator at its beginning; for one user, who draws in an order of its own. */
  random(): Random {
    return new Random(this.number)
  }
}
