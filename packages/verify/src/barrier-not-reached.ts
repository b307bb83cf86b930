/** SLU-6003 in its forms: which stage stands where, and how it gets on. */
import { type Lsn, type PositionNumber, SluiceError, formatLsn } from '@sluice/core'
import { durableLsnOf } from '@sluice/store'
import type { LaneProgress } from './lane-progress.ts'

export function notStanding(service: string, ms: number): SluiceError {
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `the projector of service "${service}" does not answer`,
    why: `it was asked to stand ${seconds(ms)} ago and neither stands nor moves: it does not run, or it hangs`,
    ways: [`sluice run projector ${service}`, 'sluice status'],
  })
}

export function stillLoading({ record }: LaneProgress): SluiceError {
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `lane "${record.laneName}" can not be compared yet`,
    why: `its initial load has not ended: phase ${record.phase}, ${record.position} events stored`,
    ways: ['sluice status    shows how far the load is; then: sluice verify'],
  })
}

export function readerBehind({ record }: LaneProgress, goal: Lsn, ms: number): SluiceError {
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `the reader of lane "${record.laneName}" did not reach LSN ${formatLsn(goal)}`,
    why: `it stands at ${formatLsn(durableLsnOf(record))}, event ${record.position}, for ${seconds(ms)}`,
    ways: [`sluice run reader ${record.laneName}`, 'sluice status'],
  })
}

export function holdsLost(service: string, attempts: number): SluiceError {
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `the projector of service "${service}" could not be held long enough`,
    why: `its hold expired before it could be renewed, ${attempts} times`,
    ways: ['sluice status    shows whether the service database answers slowly', 'sluice verify    again'],
  })
}

export interface ServiceStanding {
  readonly service: string
  readonly lane: string
  readonly applied: PositionNumber
  readonly published: PositionNumber
}

export function notApplied(at: ServiceStanding, goal: PositionNumber, ms: number): SluiceError {
  const isRelay = at.published < goal
  const where = `it stands at ${at.applied} of lane "${at.lane}", of ${at.published} published, for ${seconds(ms)}`
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `service "${at.service}" did not reach position ${goal}`,
    why: isRelay ? `${where}; the relay has not published up to ${goal}` : where,
    ways: [isRelay ? `sluice run relay ${at.lane}` : `sluice run projector ${at.service}`, 'sluice status'],
  })
}

export function movedOn(at: ServiceStanding, goal: PositionNumber): SluiceError {
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: `the projector of service "${at.service}" did not stay at the position to compare at`,
    why: `its snapshot is of position ${at.applied} of lane "${at.lane}", not ${goal}: it was moved by something that obeys no barrier`,
    ways: ['sluice verify    again', 'sluice status    shows whether the service database answers slowly'],
  })
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`
}
