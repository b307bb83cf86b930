/** A look at one stage: its metrics and its checks, from what the stage's own servers say. */
import type { HealthCheck } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'

/** The part of a database client that a sample uses. */
export interface SampleClient {
  query<Row extends object>(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly Row[] }>
}

/** Gives the work a connection that is bounded in time, and ends it. */
export type OnDatabase = <Result>(target: PostgresTarget, work: (client: SampleClient) => Promise<Result>) => Promise<Result>

export interface Sample {
  /** Names the stage where it could not be looked at: `slot.monolith`. */
  readonly name: string
  /** Sets the metrics and gives the checks. Rejects where a server did not answer. */
  look(onDatabase: OnDatabase): Promise<readonly HealthCheck[]>
  /** The values are not known any more. */
  clear(): void
}

/** An age that someone should look at. Lag is a warning and no failure: a process that catches up is healthy. */
const AGE_WARNING_SECONDS = 60

/** A check that warns where something waits for too long. */
export function ageCheck(name: string, summary: string, ageSeconds: number): HealthCheck {
  if (ageSeconds <= AGE_WARNING_SECONDS) return { name, status: 'ok', summary }
  return { name, status: 'warning', summary, fix: ['sluice status'] }
}
