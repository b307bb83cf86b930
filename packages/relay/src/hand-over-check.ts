/**
 * Promise 1 at the hand-over from store to Kafka: what the control topic says was published must be what the store has, in
 * the same cluster. Anything else stops the relay before it publishes, with the way to repair it.
 */
import { type ControlRecord, SluiceError } from '@sluice/core'
import { type LaneRecord, type RelayProgress, closedLinkAt } from '@sluice/store'
import type { ClientBase } from 'pg'

export interface HandOver {
  readonly lane: LaneRecord
  readonly clusterId: string
  readonly controlTopic: string
  readonly control: ControlRecord | null
  /** The store's own note of how far it published. */
  readonly noted: RelayProgress | null
}

/** @throws SluiceError SLU-4102, SLU-4104 */
export async function checkHandOver(client: ClientBase, handOver: HandOver): Promise<void> {
  const { lane, clusterId, controlTopic, control, noted } = handOver
  if (noted && noted.clusterId !== clusterId) {
    throw new SluiceError('KAFKA_CLUSTER_CHANGED', {
      what: `lane "${lane.laneName}" was published to another Kafka cluster`,
      why: `it was ${noted.clusterId} up to position ${noted.position}; this one is ${clusterId}`,
      ways: [
        'set KAFKA_BROKERS to the former cluster',
        `to publish everything to this one anew: DELETE FROM relay_progress WHERE lane = ${lane.lane}    in the pipeline database`,
      ],
    })
  }
  if (control === null) {
    if (noted && noted.position > 0n) throw controlTopicLost(handOver, noted)
    return
  }
  if (control.epoch !== lane.epoch) {
    throw ahead(lane, `topic ${controlTopic} belongs to lane epoch ${control.epoch}, the store has ${lane.epoch}`)
  }
  if (control.position > lane.position) {
    throw ahead(lane, `topic ${controlTopic} is at position ${control.position}, the store ends at ${lane.position}`)
  }
  const closed = await closedLinkAt(client, lane.lane, control.position)
  if (closed && closed.link === control.link && closed.hash !== control.head) {
    throw ahead(
      lane,
      `link ${control.link} of the chain has hash ${control.head} in topic ${controlTopic}, ${closed.hash} in the store`,
    )
  }
}

function ahead(lane: LaneRecord, why: string): SluiceError {
  return new SluiceError('KAFKA_AHEAD', {
    what: `the topics of lane "${lane.laneName}" hold events that the store does not have`,
    why,
    ways: [
      'restore the pipeline database to a copy that is not older than the topics',
      'or delete the topics of the lane and provision them anew: sluice provision',
    ],
  })
}

function controlTopicLost({ lane, controlTopic }: HandOver, noted: RelayProgress): SluiceError {
  return new SluiceError('KAFKA_CLUSTER_CHANGED', {
    what: `topic ${controlTopic} of lane "${lane.laneName}" is empty`,
    why: `the store published up to position ${noted.position} to this cluster; publishing again would double every event`,
    ways: [
      `restore topic ${controlTopic} from a copy`,
      `or delete the data topics too, and: DELETE FROM relay_progress WHERE lane = ${lane.lane}    in the pipeline database`,
    ],
  })
}
