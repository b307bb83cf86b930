/** Reads a chunk of a backfill, with what its query sees. */
import { type EpochMicros, epochMicros } from '@sluice/core'
import {
  type ChunkLimits,
  type ChunkSource,
  type RangeChunk,
  type TableScope,
  type TextRow,
  readKeys,
  readRange,
} from '../load/chunk-reader.ts'
import { VisibleTransactions } from './visible-transactions.ts'

export interface ScopeChunk {
  readonly rows: readonly TextRow[]
  readonly visible: VisibleTransactions
  readonly readAt: EpochMicros
}

/** Reads the next keys. @throws SnapshotStale, SluiceError @param after Last key that was passed. */
export async function readScopeRange(
  source: ChunkSource,
  scope: TableScope,
  after: readonly string[] | null,
  limits: ChunkLimits,
): Promise<ScopeChunk & RangeChunk> {
  return readSeen(source, () => readRange(source, scope, after, limits))
}

/** Reads some keys, in no order; those without a row, or outside of the scope, are left out. @throws SnapshotStale, SluiceError */
export async function readScopeKeys(
  source: ChunkSource,
  scope: TableScope,
  keys: readonly (readonly string[])[],
): Promise<ScopeChunk> {
  return readSeen(source, async () => ({ rows: await readKeys(source, scope, keys) }))
}

/** Every query of `read` sees what the first one tells. */
async function readSeen<T extends object>(
  { client }: ChunkSource,
  read: () => Promise<T>,
): Promise<T & Pick<ScopeChunk, 'visible' | 'readAt'>> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    const { rows } = await client.query<{ visible: string; micros: string }>(
      `SELECT pg_current_snapshot()::text AS visible, (extract(epoch FROM clock_timestamp()) * 1000000)::int8::text AS micros`,
    )
    const result = await read()
    const { visible, micros } = rows[0]!
    return { ...result, visible: new VisibleTransactions(visible), readAt: epochMicros(BigInt(micros)) }
  } finally {
    // A connection that broke has no transaction any more; the error of the read says so.
    await client.query('ROLLBACK').catch(() => undefined)
  }
}
