/** What is left of a chunk at its mark, after what the stream changed that the chunk's query does not see. */
import type { TextRow } from '../load/chunk-reader.ts'
import type { UnseenChanges } from './changed-keys.ts'

export interface ChunkRemains {
  /** Rows that nothing changed since they were read. */
  readonly left: readonly TextRow[]
  /** Keys of rows that changed, and of which the stream did not send every value. */
  readonly readAgain: readonly (readonly string[])[]
}

export function remainsOf(
  rows: readonly TextRow[],
  { isTruncated, keys }: UnseenChanges,
  keyOf: (row: TextRow) => readonly string[],
): ChunkRemains {
  if (isTruncated) return { left: [], readAgain: [] }
  if (keys.size === 0) return { left: rows, readAgain: [] }
  const left: TextRow[] = []
  const again = new Set<string>()
  for (const row of rows) {
    const key = JSON.stringify(keyOf(row))
    if (!keys.has(key)) left.push(row)
    else {
      const incomplete = lastKeyOf(key, keys)
      if (incomplete !== null) again.add(incomplete)
    }
  }
  return { left, readAgain: [...again].map((text) => JSON.parse(text) as string[]) }
}

/** Follows a row from key to key; null if the changes tell it whole, or its end. */
function lastKeyOf(key: string, keys: ReadonlyMap<string, string | null>): string | null {
  const met = new Set<string>()
  let at = key
  while (!met.has(at)) {
    met.add(at)
    const next = keys.get(at) ?? null
    if (next === null) return null
    at = next
  }
  return at
}
