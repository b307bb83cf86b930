/** Checks the topics: legal names, each with one writer and one aggregate type, settings that Kafka takes. */
import { lanesOf } from '../lane.ts'
import type { SystemDefinition } from '../system-definition.ts'
import { type TopicDefinition, controlTopicName } from '../topic.ts'
import { type Mistake, repeated } from './mistake.ts'

/** https://kafka.apache.org/41/operations/basic-kafka-operations/ and Kafka's own org.apache.kafka.common.internals.Topic */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/

interface PlacedTopic {
  readonly place: string
  readonly topic: TopicDefinition
}

export function topicMistakes(system: SystemDefinition): readonly Mistake[] {
  const data = dataTopics(system)
  const control = lanesOf(system).map((lane) => ({
    place: `the control topic of lane ${lane.name}`,
    name: controlTopicName(system.name, lane.name),
  }))
  const names = [...data.map(({ place, topic }) => ({ place: `${place}.name`, name: topic.name })), ...control]
  return [
    ...data.flatMap(({ place, topic }) => settingMistakes(place, topic)),
    ...names.flatMap(({ place, name }) => nameMistakes(place, name)),
    // Kafka refuses a topic whose name differs from another's by dot and underscore only: its metrics would be the same.
    ...repeated(names, ({ name }) => name.replaceAll('.', '_')).map(({ item, first }) => ({
      place: item.place,
      problem:
        item.name === names[first]?.name
          ? `topic ${item.name} is taken by ${names[first].place}: a topic has one lane and one aggregate type`
          : `Kafka takes topic ${item.name} for ${String(names[first]?.name)} (${String(names[first]?.place)}): it does not tell "." from "_"`,
    })),
  ]
}

function dataTopics(system: SystemDefinition): readonly PlacedTopic[] {
  const { tables, outbox } = system.monolith
  return [
    ...tables.map((table, index) => ({ place: `monolith.tables[${index}].topic`, topic: table.topic })),
    ...(outbox ? [{ place: 'monolith.outbox.topic', topic: outbox.topic }] : []),
    ...Object.entries(system.services).flatMap(([name, service]) =>
      service.outbox ? [{ place: `services.${name}.outbox.topic`, topic: service.outbox.topic }] : [],
    ),
  ]
}

function nameMistakes(place: string, name: string): readonly Mistake[] {
  if (TOPIC_NAME.test(name) && name !== '.' && name !== '..') return []
  return [{ place, problem: `"${name}" is no topic name: 1 to 249 letters, digits, ".", "_" and "-"` }]
}

function settingMistakes(place: string, topic: TopicDefinition): readonly Mistake[] {
  const mistakes: Mistake[] = []
  if (!Number.isInteger(topic.partitions) || topic.partitions < 1) {
    mistakes.push({ place: `${place}.partitions`, problem: `it is ${topic.partitions}, it must be a whole number from 1 on` })
  }
  if (!Number.isSafeInteger(topic.retentionMs) || (topic.retentionMs < 1 && topic.retentionMs !== -1)) {
    mistakes.push({
      place: `${place}.retentionMs`,
      problem: `it is ${topic.retentionMs}, it must be a whole number of milliseconds from 1 on, or -1 for ever`,
    })
  }
  return mistakes
}
