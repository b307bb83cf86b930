const MICROS_A_SECOND = 1_000_000n

/**
 * A time as ISO text in UTC to the microsecond, which JavaScript's own dates lack: `2026-11-21T10:00:00.123456Z`.
 *
 * @param micros Microseconds since 1970; negative before it.
 */
export function instantText(micros: bigint): string {
  const fraction = ((micros % MICROS_A_SECOND) + MICROS_A_SECOND) % MICROS_A_SECOND
  const seconds = new Date(Number((micros - fraction) / 1_000n)).toISOString().slice(0, -'.000Z'.length)
  return `${seconds}.${String(fraction).padStart(6, '0')}Z`
}
