/** What is left of a chunk at its mark, after what the stream changed that the chunk's query does not see. */
import type { TextRow } from '../load/chunk-reader.ts'
import type { UnseenChanges } from './changed-keys.ts'

export interface ChunkRemains {
  /** Rows that nothing changed since they were read. */
  readonly left: readonly TextRow[]
  /** Keys of rows that changed, and of which the stream did not send every value. */
  readonly readAgain: readonly (readonly string[])[]
}

/** @param asked Keys that were read by themselves. Of one without a row the chunk's query may not see yet that a row took it. */
export function remainsOf(
  rows: readonly TextRow[],
  { isTruncated, keys }: UnseenChanges,
  keyOf: (row: TextRow) => readonly string[],
  asked: readonly (readonly string[])[] = [],
): ChunkRemains {
  if (isTruncated) return { left: [], readAgain: [] }
  if (keys.size === 0) return { left: rows, readAgain: [] }
  const left: TextRow[] = []
  const changed = asked.map((key) => JSON.stringify(key)).filter((key) => keys.has(key))
  for (const row of rows) {
    const key = JSON.stringify(keyOf(row))
    if (keys.has(key)) changed.push(key)
    else left.push(row)
  }
  const again = new Set(changed.map((key) => lastKeyOf(key, keys)).filter((key) => key !== null))
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
