/** Making checks: each has one line with the measured value, and, where it is not ok, what to do. */
import { type HealthCheck, toSluiceError } from '@sluice/core'

export function ok(name: string, summary: string): HealthCheck {
  return { name, status: 'ok', summary }
}

export interface Advice {
  readonly summary: string
  readonly cause?: string
  /** Ready to be pasted. */
  readonly fix: readonly string[]
  /** `SLU-2010` */
  readonly code?: string
}

export function warning(name: string, advice: Advice): HealthCheck {
  return { name, status: 'warning', ...advice }
}

export function failed(name: string, advice: Advice): HealthCheck {
  return { name, status: 'failed', ...advice }
}

export function skipped(name: string, summary: string): HealthCheck {
  return { name, status: 'skipped', summary }
}

/** A fault met while checking, as the check's own failure. */
export function faultCheck(name: string, error: unknown): HealthCheck {
  const known = toSluiceError(error)
  return failed(name, { summary: known.what, cause: known.why, fix: known.ways, code: known.number })
}

/**
 * Runs checks of one server, bounded in time; what goes wrong becomes a failed check, so that the other servers are
 * checked all the same.
 */
export async function guarded(
  name: string,
  timeoutMs: number,
  work: () => Promise<readonly HealthCheck[]>,
): Promise<readonly HealthCheck[]> {
  const late = Promise.withResolvers<readonly HealthCheck[]>()
  const timer = setTimeout(() => {
    const summary = `no answer within ${timeoutMs / 1000} s`
    late.resolve([failed(name, { summary, fix: ['check the network between here and the server, then: sluice doctor'] })])
  }, timeoutMs)
  try {
    return await Promise.race([work(), late.promise])
  } catch (error) {
    return [faultCheck(name, error)]
  } finally {
    clearTimeout(timer)
  }
}
