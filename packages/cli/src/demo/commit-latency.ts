/**
 * Latency of a change: from the commit in the source to the commit in the service database, both as the servers recorded
 * them (`track_commit_timestamp`), not by a clock of a process.
 */
import { type PostgresTarget, connect } from '@sluice/postgres'

export interface Latency {
  readonly p50: number
  readonly p99: number
  /** Changes that were measured, each once for every service that applied it. */
  readonly changes: number
}

/** @param since Changes committed in the source after this time (ISO) are measured: earlier ones waited for the load. */
export async function measureLatency(
  pipeline: PostgresTarget,
  services: Readonly<Record<string, PostgresTarget>>,
  since: string,
): Promise<Latency> {
  const committed = await readTimes(
    pipeline,
    `SELECT e.event_id AS id, extract(epoch FROM e.created_at) * 1000 AS ms
     FROM event_store e JOIN event_commits c ON c.lane = e.lane AND e.position BETWEEN c.first_position AND c.last_position
     WHERE c.kind = 'commit' AND c.committed_at > $1::timestamptz`,
    [since],
  )
  const latencies: number[] = []
  for (const target of Object.values(services)) {
    const applied = await readTimes(
      target,
      `SELECT event_id AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 AS ms FROM processed_events
       WHERE processed_at > $1::timestamptz`,
      [since],
    )
    for (const [id, ms] of applied) {
      const start = committed.get(id)
      if (start !== undefined) latencies.push(ms - start)
    }
  }
  latencies.sort((a, b) => a - b)
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), changes: latencies.length }
}

/** Nearest rank; 0 of nothing. @param sorted ascending */
export function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return Math.round(value * 10) / 10
}

async function readTimes(target: PostgresTarget, text: string, values: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const client = await connect(target, { applicationName: 'sluice demo', statementTimeoutMs: 120_000 })
  try {
    const { rows } = await client.query<{ id: string; ms: string }>(text, [...values])
    return new Map(rows.map((row) => [row.id, Number(row.ms)]))
  } finally {
    await client.end()
  }
}
