/**
 * One named check with its outcome: the same object in `/healthz`, `sluice doctor`, `sluice status` and later the console.
 */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped'

export interface HealthCheck {
  /** Stable, dotted: `monolith.wal_level`. */
  readonly name: string
  readonly status: CheckStatus
  /** One line with the measured value. */
  readonly summary: string
  /** ISO time since when the status holds, where known. */
  readonly since?: string
  readonly cause?: string
  /** What to do, ready to be pasted. */
  readonly fix?: readonly string[]
  /** Error code that belongs to the check, `SLU-2001`. */
  readonly code?: string
}

export function worstStatus(checks: readonly HealthCheck[]): CheckStatus {
  if (checks.some((c) => c.status === 'failed')) return 'failed'
  if (checks.some((c) => c.status === 'warning')) return 'warning'
  return 'ok'
}
