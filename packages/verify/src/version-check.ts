/**
 * Promise 2 for aggregates: the versions of their events run without gaps, in the order of positions.
 *
 * The whole store is looked at each time, for a check of what came since the last one would trust what was stored before. The chains
 * beside it are recomputed from the same events.
 */
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import { findVersionGaps } from '@sluice/store'
import { SnapshotSession } from './snapshot-session.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { VersionReport } from './verify-report.ts'

export interface VersionCheckOptions {
  readonly pipeline: PostgresTarget
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** Aggregates that are named; there may be more. */
const NAMED_MAX = 20

/** @throws SluiceError SLU-200x if the pipeline database can't be used; the signal's reason if it aborts */
export async function checkVersions({ pipeline, onProgress, signal }: VersionCheckOptions): Promise<VersionReport> {
  const startedAt = performance.now()
  onProgress({ phase: 'versions' })
  const session = await SnapshotSession.open(pipeline, { signal })
  try {
    const gaps = await findVersionGaps(session.client, NAMED_MAX)
    return { gaps, durationMs: Math.round(performance.now() - startedAt) }
  } catch (error) {
    signal.throwIfAborted()
    throw toPostgresError(error, pipeline)
  } finally {
    await session.close()
  }
}
