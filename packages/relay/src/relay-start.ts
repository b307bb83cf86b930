/**
 * Where a relay begins: after the last control record, once Kafka and the store were held against each other. Everything that
 * doesn't fit stops with the way to repair it.
 */
import { BEFORE_FIRST, type ControlRecord, type PositionNumber, SluiceError } from '@sluice/core'
import { type ClosedLink, type LaneRecord, type RelayProgress, chainStart } from '@sluice/store'
import type { ChainHead } from './transaction-plan.ts'

export interface RelayStart {
  readonly position: PositionNumber
  readonly chain: ChainHead
  readonly record: ControlRecord | null
}

export interface StartFacts {
  readonly lane: LaneRecord
  readonly clusterId: string
  /** The control topic's newest record. */
  readonly record: ControlRecord | null
  /** The store's copy of what was published. */
  readonly progress: RelayProgress | null
  /** The store's last closed link at the record's position; null if it has none there. */
  readonly closedLink: ClosedLink | null
  /** Every event up to here was removed by retention. */
  readonly retainedAfter: PositionNumber
}

/** @throws SluiceError SLU-4104, SLU-4102, SLU-4105 */
export function checkStart(facts: StartFacts): RelayStart {
  const { lane, clusterId, record, progress } = facts
  const formerCluster = [progress?.clusterId, record?.clusterId].find((id) => id !== undefined && id !== clusterId)
  if (formerCluster !== undefined) throw clusterChanged(lane, formerCluster, clusterId)
  if (record !== null && record.epoch !== lane.epoch) {
    throw ahead(lane, `its records are of lane epoch ${record.epoch}, the store's is ${lane.epoch}`)
  }
  const published = record?.position ?? BEFORE_FIRST
  if (progress !== null && progress.position > published) throw behind(lane, published, progress)
  if (record === null) {
    return { position: BEFORE_FIRST, record, chain: { link: 0n, head: chainStart(lane.epoch).toString('hex') } }
  }
  if (record.position > lane.position) {
    throw ahead(lane, `it is at position ${record.position}, the store's last event is ${lane.position}`)
  }
  checkHead(record, facts)
  return { position: record.position, record, chain: { link: record.link, head: record.head } }
}

/** The link that the record names must be in the store with the same hash: a store that was restored may have written others. */
function checkHead(record: ControlRecord, { lane, closedLink, retainedAfter }: StartFacts): void {
  if (record.link === 0n || record.position <= retainedAfter) return
  if (closedLink?.link !== record.link) {
    throw ahead(
      lane,
      `it names link ${record.link} at position ${record.position}; the store has ${closedLink?.link ?? 'none'} there`,
    )
  }
  if (closedLink.hash !== record.head) {
    throw ahead(
      lane,
      `link ${record.link} is ${short(closedLink.hash)} in the store and ${short(record.head)} in the control topic`,
    )
  }
}

function short(hash: string): string {
  return `${hash.slice(0, 16)}…`
}

function clusterChanged(lane: LaneRecord, from: string, to: string): SluiceError {
  return new SluiceError('KAFKA_CLUSTER_CHANGED', {
    what: `lane ${lane.laneName} was published to another Kafka cluster`,
    why: `it was ${from}, this one is ${to}`,
    ways: [
      'point KAFKA_BROKERS at the former cluster',
      `DELETE FROM relay_progress WHERE lane = ${lane.lane};    publishes the lane again from its first event, if the topics here are empty`,
    ],
  })
}

function ahead(lane: LaneRecord, why: string): SluiceError {
  return new SluiceError('KAFKA_AHEAD', {
    what: `the control topic of lane ${lane.laneName} does not fit the event store`,
    why,
    ways: [
      'restore the pipeline database to a state after that record, then: sluice verify --chain',
      'or give the lane new topics: delete its control topic and data topics, then: sluice provision',
    ],
  })
}

function behind(lane: LaneRecord, published: PositionNumber, progress: RelayProgress): SluiceError {
  return new SluiceError('KAFKA_BEHIND', {
    what: `the control topic of lane ${lane.laneName} lost records`,
    why: `it ends at position ${published}; ${progress.position} was published on ${progress.updatedAt.toISOString()}`,
    ways: [
      'restore the topics of the lane, all from one copy',
      `DELETE FROM relay_progress WHERE lane = ${lane.lane};    publishes again what is missing; consumers must tell events by their id`,
    ],
  })
}
