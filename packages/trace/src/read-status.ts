/** Asks every server of a system how far its stage is, all at once and each bounded; what is down is an error in its place. */
import { type ControlRecord, type LaneId, type SerializedError, SluiceError, parseLsn } from '@sluice/core'
import { type KafkaPort, lastControlRecord } from '@sluice/kafka'
import { durableLsnOf } from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, controlTopicName, lanesOf, subscriptionsOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import { copyStatus } from './copy-status.ts'
import { type Measured, measure, measureWithin } from './measured.ts'
import { onDatabase } from './on-database.ts'
import { type ProjectorFacts, projectorFacts } from './projector-status.ts'
import { sourceStatus } from './source-status.ts'
import { statusChecks } from './status-checks.ts'
import type {
  LaneStatus,
  ProjectorLaneStatus,
  ReaderLag,
  RelayStatus,
  ServiceStatus,
  SourceStatus,
  SystemStatus,
} from './status-report.ts'
import { type StatusTargets, serviceTarget } from './status-targets.ts'
import { type LaneFacts, ageAfter, laneFacts } from './store-status.ts'

export interface StatusOptions {
  readonly system: SystemDefinition
  readonly targets: StatusTargets
  /** For the control topics; without it the store's copy of what is published is told. */
  readonly kafka?: KafkaPort
  /** How long Kafka may take to answer. @default 10 s */
  readonly kafkaBoundMs?: number
}

const KAFKA_BOUND_MS = 10_000

/** Never rejects because of a server: each error stands where its value would. */
export async function readStatus(options: StatusOptions): Promise<SystemStatus> {
  const { system, targets } = options
  const lanes = lanesOf(system)
  const services = Object.keys(system.services)
  const [sources, records, projectors] = await Promise.all([
    Promise.all(lanes.map((lane) => measureSource(targets, lane))),
    Promise.all(lanes.map((lane) => measureControlTopic(options, lane))),
    Promise.all(services.map((service) => measureProjector(targets, service))),
  ])
  // The store is asked last and from one connection: it is never behind what the others said a moment before.
  const pipeline = await measure(() =>
    onDatabase(targets.pipeline, async (client) => {
      const facts: Measured<LaneFacts>[] = []
      for (const lane of lanes) facts.push(await measureInOrder(client, system.name, lane))
      const laneReports: LaneStatus[] = []
      for (const [i, lane] of lanes.entries())
        laneReports.push(await laneStatus(client, lane, sources[i]!, facts[i]!, records[i]!))
      const byName = new Map(lanes.map((lane, i) => [lane.name, facts[i]!.value]))
      const serviceReports: ServiceStatus[] = []
      for (const [i, service] of services.entries()) {
        serviceReports.push(await serviceStatus(client, system, service, projectors[i]!, byName))
      }
      return { lanes: laneReports, services: serviceReports }
    }),
  )
  const { error } = pipeline
  const reports =
    error === null
      ? pipeline.value
      : {
          lanes: lanes.map((lane, i) => withoutStore(lane, sources[i]!, records[i]!, error)),
          services: await Promise.all(services.map((name, i) => serviceStatus(null, system, name, projectors[i]!, new Map()))),
        }
  return {
    system: system.name,
    at: new Date().toISOString(),
    ...reports,
    copies: copyStatus(system, reports.services),
    checks: statusChecks(reports),
  }
}

function measureSource(targets: StatusTargets, lane: LaneDefinition): Promise<Measured<SourceStatus>> {
  return measure(() => {
    const target = lane.source === 'monolith' ? targets.monolith : serviceTarget(targets, lane.source.service)
    return onDatabase(target, (client) => sourceStatus(client, lane))
  })
}

/** null value without error: Kafka was not given. */
async function measureControlTopic(options: StatusOptions, lane: LaneDefinition): Promise<Measured<ControlRecord | null>> {
  const { kafka, system } = options
  if (kafka === undefined) return { value: null, error: null }
  const topic = controlTopicName(system.name, lane.name)
  return measureWithin(options.kafkaBoundMs ?? KAFKA_BOUND_MS, topic, () => lastControlRecord(kafka, topic))
}

function measureProjector(targets: StatusTargets, service: string): Promise<Measured<ProjectorFacts>> {
  return measure(() => onDatabase(serviceTarget(targets, service), projectorFacts))
}

/** A lane that has not begun is that lane's error; a statement that failed is the connection's. */
function measureInOrder(client: ClientBase, system: string, lane: LaneDefinition): Promise<Measured<LaneFacts>> {
  return laneFacts(client, system, lane.name).then(
    (value) => ({ value, error: null }),
    (error: unknown) => {
      if (error instanceof SluiceError) return measure<LaneFacts>(() => Promise.reject(error))
      throw error
    },
  )
}

async function laneStatus(
  client: ClientBase,
  lane: LaneDefinition,
  source: Measured<SourceStatus>,
  facts: Measured<LaneFacts>,
  control: Measured<ControlRecord | null>,
): Promise<LaneStatus> {
  if (facts.error !== null) return withoutStore(lane, source, control, facts.error)
  const { record, status } = facts.value
  return {
    lane: lane.name,
    source,
    store: { value: status, error: null },
    readerLag: source.value === null ? null : readerLag(source.value, facts.value),
    relay: { value: await relayStatus(client, record.lane, facts.value, control), error: null },
  }
}

function withoutStore(
  lane: LaneDefinition,
  source: Measured<SourceStatus>,
  control: Measured<ControlRecord | null>,
  error: SerializedError,
): LaneStatus {
  const relay: Measured<RelayStatus> =
    control.value === null
      ? { value: null, error: control.error ?? error }
      : {
          value: {
            position: control.value.position,
            from: 'control topic',
            pendingEvents: null,
            pendingSeconds: null,
            failing: null,
            parked: null,
          },
          error: null,
        }
  return { lane: lane.name, source, store: { value: null, error }, readerLag: null, relay }
}

/**
 * While the WAL end is not behind the stored LSN, nothing waits. Else what was stored last tells the age: a commit, or
 * the row's last move if the reader recorded since then that nothing is pending.
 */
function readerLag(source: SourceStatus, { record, commitAge, rowAge }: LaneFacts): ReaderLag {
  const behind = parseLsn(source.walEnd) - durableLsnOf(record)
  if (behind <= 0n) return { bytes: 0n, seconds: 0 }
  const isCommitLast = durableLsnOf(record) === record.storedLsn
  const age = isCommitLast && commitAge !== null ? commitAge : rowAge
  return { bytes: behind, seconds: Math.max(0, age) }
}

async function relayStatus(
  client: ClientBase,
  lane: LaneId,
  facts: LaneFacts,
  control: Measured<ControlRecord | null>,
): Promise<RelayStatus> {
  const position = control.value?.position ?? facts.published
  const pending = facts.record.position - position
  return {
    position,
    from: control.value === null ? 'store' : 'control topic',
    pendingEvents: pending > 0n ? pending : 0n,
    pendingSeconds: await ageAfter(client, lane, position, 'stored'),
    failing: facts.failing,
    parked: facts.parked,
  }
}

async function serviceStatus(
  client: ClientBase | null,
  system: SystemDefinition,
  service: string,
  projector: Measured<ProjectorFacts>,
  facts: ReadonlyMap<string, LaneFacts | null>,
): Promise<ServiceStatus> {
  if (projector.value === null) return { service, projector }
  const lanes: ProjectorLaneStatus[] = []
  for (const { lane } of subscriptionsOf(system, service)) {
    const at = projector.value.lanes.get(lane.name)
    const position = at?.position ?? 0n
    const record = facts.get(lane.name)?.record
    const isKnown = client !== null && record !== undefined
    lanes.push({
      lane: lane.name,
      position,
      updatedAt: at?.updatedAt ?? null,
      lagEvents: isKnown ? record.position - position : null,
      lagSeconds: isKnown ? await ageAfter(client, record.lane, position, 'committed') : null,
    })
  }
  const { parked, isHeld, members } = projector.value
  return { service, projector: { value: { lanes, parked, isHeld, members }, error: null } }
}
