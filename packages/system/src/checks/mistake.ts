/** A mistake in a definition, and its place: `services.analytics.projections[2].columns.amount`. */
export interface Mistake {
  readonly place: string
  /** What is wrong, with the value: `partitions is 0, it must be 1 or more`. */
  readonly problem: string
}

/** PostgreSQL cuts longer names off (NAMEDATALEN - 1), so that two of them could become one. */
export const IDENTIFIER_BYTES_MAX = 63

export function identifierMistakes(place: string, name: string): readonly Mistake[] {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0) return [{ place, problem: 'a name is empty' }]
  if (bytes > IDENTIFIER_BYTES_MAX) {
    return [{ place, problem: `"${name}" has ${bytes} bytes, PostgreSQL keeps ${IDENTIFIER_BYTES_MAX}` }]
  }
  return []
}

/** The values that occur more than once, each with the later places. */
export function repeated<T>(
  items: readonly T[],
  valueOf: (item: T) => string,
): readonly { item: T; index: number; first: number }[] {
  const firstIndex = new Map<string, number>()
  return items.flatMap((item, index) => {
    const first = firstIndex.get(valueOf(item))
    if (first !== undefined) return [{ item, index, first }]
    firstIndex.set(valueOf(item), index)
    return []
  })
}
