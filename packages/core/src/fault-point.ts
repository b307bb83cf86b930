/**
 * Named places before and after each durable step, where a test ends the process to see that nothing is lost.
 *
 * Nothing happens at a point unless a handler was installed; `sluice` installs one only if `SLUICE_TEST_FAULT_POINT` is set.
 */
export const FAULT_POINTS = [
  'reader.slot-made',
  'reader.lane-made',
  'reader.chunk-read',
  'reader.chunk-stored',
  'reader.before-append',
  'reader.after-copy',
  'reader.before-commit',
  'reader.after-commit',
  'reader.before-feedback',
  'reader.after-feedback',
  'reader.before-keepalive',
  'reader.after-keepalive',
  'reader.spool-begun',
  'reader.spool-committed',
  'reader.backfill-mark',
  'reader.backfill-chunk',
  'relay.claim-stored',
  'relay.before-parked',
  'relay.after-parked',
  'relay.before-send',
  'relay.after-send',
  'relay.before-commit',
  'relay.after-commit',
  'relay.late-published',
  'relay.progress-stored',
  'projector.before-rows',
  'projector.event-parked',
  'projector.after-rows',
  'projector.after-sink',
  'projector.before-commit',
  'projector.after-commit',
  'parked.before-commit',
  'parked.after-commit',
] as const

export type FaultPoint = (typeof FAULT_POINTS)[number]

let handler: ((point: FaultPoint) => void) | null = null

/** Execution passes here. */
export function faultPoint(point: FaultPoint): void {
  if (handler !== null) handler(point)
}

/** @param onPass called at every pass of any point, from now on; null takes it away */
export function installFaultPoints(onPass: ((point: FaultPoint) => void) | null): void {
  handler = onPass
}
