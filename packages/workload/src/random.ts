/**
 * A seeded generator of random numbers: xoshiro128** by Blackman and Vigna (https://prng.di.unimi.it/xoshiro128starstar.c),
 * its state filled by splitmix32. Kept here, since the same seed must give the same data for ever.
 */
export class Random {
  readonly #state: Uint32Array

  constructor(seed: number) {
    this.#state = Uint32Array.from({ length: 4 }, splitmix32(seed))
  }

  /** From 0 to 2^32 - 1. */
  uint32(): number {
    const s = this.#state
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const shifted = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= shifted
    s[3] = rotateLeft(s[3]!, 11)
    return result
  }

  /** From 0 to below 1. */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)]!
  }

  some<T>(items: readonly T[], most: number): readonly T[] {
    return Array.from({ length: this.between(0, most) }, () => this.pick(items))
  }

  /** A random UUID, version 4. */
  uuid(): string {
    return uuidOf(this.uint32(), this.uint32(), this.uint32(), this.uint32())
  }
}

/**
 * The id of the n-th row of a table: it follows from seed, table and n, so that rows can refer to each other without being
 * kept. The first 32 bits are a bijection of n, so no two rows of a table share an id.
 */
export function sampleId(seed: number, table: string, n: number): string {
  const salt = mix32(seed ^ hash32(table))
  return uuidOf(mix32(n ^ salt), mix32(n + salt), mix32(salt - n), mix32(Math.imul(n, 0x9e3779b1) ^ salt))
}

/** A seed for the n-th row of a table: no two rows of a table share one. */
export function rowSeed(seed: number, table: string, n: number): number {
  return mix32(n ^ mix32(seed ^ hash32(table)))
}

/** A seed for one purpose, made of the run's seed and a name. */
export function derivedSeed(seed: number, name: string): number {
  return mix32(seed ^ hash32(name))
}

function uuidOf(a: number, b: number, c: number, d: number): string {
  const hex = [a, (b & 0xffff0fff) | 0x4000, (c & 0x3fffffff) | 0x80000000, d]
    .map((word) => (word >>> 0).toString(16).padStart(8, '0'))
    .join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function splitmix32(seed: number): () => number {
  let state = seed | 0
  return () => mix32((state = (state + 0x9e3779b9) | 0))
}

/** Finalizer of MurmurHash3: a bijection of 32-bit numbers. */
function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** FNV-1a. */
function hash32(text: string): number {
  let h = 0x811c9dc5
  for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 0x01000193)
  return h >>> 0
}

function rotateLeft(value: number, bits: number): number {
  return ((value << bits) | (value >>> (32 - bits))) >>> 0
}
