/** The state of every stage as named checks, for `sluice status`, `/healthz` and later the console. */
import type { CheckStatus, HealthCheck, SerializedError } from '@sluice/core'
import type { LaneStatus, ServiceStatus, SystemStatus } from './status-report.ts'

/** A lag that someone should look at, and one that someone must. */
const LAG_WARNING_SECONDS = 60
const LAG_FAILED_SECONDS = 300

export function statusChecks(status: Pick<SystemStatus, 'lanes' | 'services'>): readonly HealthCheck[] {
  return [...status.lanes.flatMap(laneChecks), ...status.services.flatMap(serviceChecks)]
}

function laneChecks(lane: LaneStatus): HealthCheck[] {
  return [slotCheck(lane), readerCheck(lane), relayCheck(lane), ...relayParkedCheck(lane), ...parkedMessagesCheck(lane)]
}

function slotCheck({ lane, source }: LaneStatus): HealthCheck {
  const name = `${lane}.slot`
  if (source.value === null) return failed(name, source.error)
  const { slot } = source.value
  if (slot === null) {
    return { name, status: 'failed', summary: 'the source has no slot for this lane', fix: [`sluice run reader ${lane}`] }
  }
  const limit = slot.safeBytes === null ? 'no limit is set, the disk is the limit' : `${slot.safeBytes} bytes until it is lost`
  const summary = `${slot.isActive ? 'active' : 'no reader'}, ${slot.walStatus ?? 'unknown'}, ${slot.retainedBytes} bytes of WAL kept, ${limit}`
  if (slot.walStatus === 'lost' || slot.walStatus === 'unreserved')
    return { name, status: 'failed', summary, fix: ['sluice doctor'] }
  return slot.isActive
    ? { name, status: 'ok', summary }
    : { name, status: 'warning', summary, fix: [`sluice run reader ${lane}`] }
}

function readerCheck({ lane, store, readerLag }: LaneStatus): HealthCheck {
  const name = `${lane}.reader`
  if (store.value === null) return failed(name, store.error)
  const { phase, position } = store.value
  if (phase !== 'streaming') return { name, status: 'ok', summary: `${phase}, ${position} events stored` }
  if (readerLag === null) return { name, status: 'skipped', summary: 'the source did not answer, so the lag is not known' }
  const status = lagStatus(readerLag.seconds)
  const summary = `${readerLag.bytes} bytes, ${whole(readerLag.seconds)} s behind the source, ${position} events stored`
  return { name, status, summary, ...(status === 'ok' ? {} : { fix: [`sluice run reader ${lane}`] }) }
}

function relayCheck({ lane, relay }: LaneStatus): HealthCheck {
  const name = `${lane}.relay`
  if (relay.value === null) return failed(name, relay.error)
  const { position, pendingEvents, pendingSeconds, failing } = relay.value
  if (pendingEvents === null || pendingSeconds === null) {
    return { name, status: 'skipped', summary: `published up to ${position}; the store did not answer, so the lag is not known` }
  }
  const summary = `published up to ${position}, ${pendingEvents} events wait, the oldest for ${whole(pendingSeconds)} s`
  if (failing !== null) {
    const cause = `event ${failing.position} was refused ${failing.attempts} times: ${failing.error}`
    return { name, status: 'failed', summary, cause, fix: ['sluice doctor'] }
  }
  const status = lagStatus(pendingSeconds)
  return { name, status, summary, ...(status === 'ok' ? {} : { fix: [`sluice run relay ${lane}`] }) }
}

function relayParkedCheck({ lane, relay }: LaneStatus): HealthCheck[] {
  const parked = relay.value?.parked ?? null
  if (parked === null || parked.events === 0) return []
  return [
    {
      name: `${lane}.parked`,
      status: 'warning',
      summary: `${parked.events} events are parked at the relay`,
      ...(parked.error === null ? {} : { cause: parked.error }),
      fix: [`sluice parked list ${lane} --relay`],
    },
  ]
}

function parkedMessagesCheck({ lane, store }: LaneStatus): HealthCheck[] {
  const found = store.value?.parkedMessages
  if (!found || found.messages === 0) return []
  return [
    {
      name: `${lane}.parked_messages`,
      status: 'warning',
      summary: `PostgreSQL sent ${found.messages} messages that this version of Sluice does not know, of kind ${found.kinds.join(', ')}`,
      cause: 'what they meant took no effect; the log names each, and parked_messages of the pipeline database holds them',
      fix: ['look into the notes of PostgreSQL and Sluice for the kind; a backfill brings rows that differ: sluice verify'],
    },
  ]
}

function serviceChecks({ service, projector }: ServiceStatus): HealthCheck[] {
  const name = `${service}.projector`
  if (projector.value === null) return [failed(name, projector.error)]
  const { lanes, parked, isHeld, members } = projector.value
  const held = isHeld ? ', held by a verification' : ''
  const shared = members > 0 ? `, shared by ${members}` : ''
  const lags = lanes.map((lane): HealthCheck => {
    const at = `applied up to ${lane.position} of lane ${lane.lane}`
    if (lane.lagSeconds === null)
      return { name, status: 'skipped', summary: `${at}; the store did not answer, so the lag is not known` }
    const status = lagStatus(lane.lagSeconds)
    const summary = `${at}, ${lane.lagEvents ?? 0n} events, ${whole(lane.lagSeconds)} s behind${shared}${held}`
    return { name, status, summary, ...(status === 'ok' ? {} : { fix: [`sluice run projector ${service}`] }) }
  })
  const parkedCheck: HealthCheck =
    parked === 0
      ? { name: `${service}.parked`, status: 'ok', summary: 'no event is parked' }
      : {
          name: `${service}.parked`,
          status: 'warning',
          summary: `${parked} events are parked`,
          fix: [`sluice parked list ${service}`],
        }
  return [...lags, parkedCheck]
}

function lagStatus(seconds: number): CheckStatus {
  if (seconds > LAG_FAILED_SECONDS) return 'failed'
  return seconds > LAG_WARNING_SECONDS ? 'warning' : 'ok'
}

function failed(name: string, error: SerializedError): HealthCheck {
  return { name, status: 'failed', summary: error.what, cause: error.why, fix: error.ways, code: error.code }
}

function whole(seconds: number): string {
  return seconds.toFixed(seconds < 10 ? 1 : 0)
}
