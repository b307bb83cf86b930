/** Delays between attempts: doubled up to a bound, half of it chance, so that processes that lost one server do not come back in step. */
export interface BackoffLimits {
  /** Longest delay before the second attempt. */
  readonly firstMs: number
  /** Longest delay of all. */
  readonly longestMs: number
  /** From 0 to 1. @default Math.random */
  readonly random?: () => number
}

/** @param attempt The one that failed, from 1 on. */
export function backoffMs(attempt: number, { firstMs, longestMs, random = Math.random }: BackoffLimits): number {
  const bound = Math.min(longestMs, firstMs * 2 ** (attempt - 1))
  return Math.round(bound / 2 + (bound / 2) * random())
}
