/** Every topic that a system needs, with the settings that Sluice relies on; `provision` creates and `doctor` checks them. */
import { type LaneDefinition, lanesOf, topicsOf } from './lane.ts'
import type { SystemDefinition } from './system-definition.ts'
import { type TopicDefinition, controlTopicName } from './topic.ts'

export interface WantedTopic {
  readonly name: string
  readonly partitions: number
  /** https://kafka.apache.org/documentation/#topicconfigs; min.insync.replicas depends on the brokers and is not here. */
  readonly config: Readonly<Record<string, string>>
}

/** Largest message: of a larger row the largest values are claimed from the pipeline database (decision 0018). */
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024

/**
 * Retention counts from the broker's time: a clock of a relay that steps neither has events refused (a broker takes none from an hour
 * ahead on) nor removed early.
 */
const TIME_OF_BROKER = { 'message.timestamp.type': 'LogAppendTime' } as const

/** Never compacted: a delete is an event, and every event of the retention can be replayed. */
export function dataTopicConfig(topic: TopicDefinition): WantedTopic {
  return {
    name: topic.name,
    partitions: topic.partitions,
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(topic.retentionMs),
      'max.message.bytes': String(MESSAGE_BYTES_MAX),
      ...TIME_OF_BROKER,
    },
  }
}

/**
 * One partition. Compacted, so that the newest record of the lane stays; not before the data it speaks of is gone, so that a
 * consumer finds the record of every event that is still there.
 */
export function controlTopicConfig(system: string, lane: LaneDefinition): WantedTopic {
  const retentions = topicsOf(lane).map((t) => t.retentionMs)
  const keepMs = retentions.includes(-1) ? Number.MAX_SAFE_INTEGER : Math.max(0, ...retentions)
  return {
    name: controlTopicName(system, lane.name),
    partitions: 1,
    config: { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': String(keepMs), ...TIME_OF_BROKER },
  }
}

/** Data and control topics of lanes, each once. */
export function topicsWanted(
  system: SystemDefinition,
  lanes: readonly LaneDefinition[] = lanesOf(system),
): readonly WantedTopic[] {
  const wanted = lanes.flatMap((lane) => [...topicsOf(lane).map(dataTopicConfig), controlTopicConfig(system.name, lane)])
  return [...new Map(wanted.map((t) => [t.name, t])).values()]
}
