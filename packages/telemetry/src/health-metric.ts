/**
 * Checks as the metric `health_status`: 1 for the status that a check has and 0 for the others, so that an alert ends when
 * the check recovers. A check that is gone takes its samples with it.
 */
import type { CheckStatus, HealthCheck } from '@sluice/core'
import type { ServedMetrics } from './metrics.ts'

const STATUSES: readonly CheckStatus[] = ['ok', 'warning', 'failed', 'skipped']

/** @returns shows the checks in place of those shown before */
export function healthMetric({ healthStatus }: Pick<ServedMetrics, 'healthStatus'>): (checks: readonly HealthCheck[]) => void {
  let shown: readonly string[] = []
  return (checks) => {
    for (const name of shown) for (const status of STATUSES) healthStatus.clear({ ...placeOf(name), status })
    for (const check of checks) {
      for (const status of STATUSES) healthStatus.set({ ...placeOf(check.name), status }, status === check.status ? 1 : 0)
    }
    shown = checks.map((check) => check.name)
  }
}

/** `engine.reader.monolith` is check `reader.monolith` of component `engine`. */
function placeOf(name: string): { readonly component: string; readonly check: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { component: name, check: name } : { component: name.slice(0, dot), check: name.slice(dot + 1) }
}
