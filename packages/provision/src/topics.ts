/** Topics: those that are missing are created, those that exist are left as they are and compared. */
import type { KafkaAdmin, KafkaPort, TopicSettings } from '@sluice/kafka'
import type { WantedTopic } from '@sluice/system'
import type { ProvisionStep } from './step.ts'

/** Copies of a partition where there are brokers for them. */
const REPLICAS_WANTED = 3

export async function topicSteps(
  kafka: KafkaPort,
  wanted: readonly WantedTopic[],
  isDryRun: boolean,
): Promise<readonly ProvisionStep[]> {
  const admin = await kafka.admin()
  try {
    const { brokers } = await admin.cluster()
    const settings = wanted.map((topic) => topicSettings(topic, brokers))
    const present = new Set(await admin.listTopics())
    const made = new Set(isDryRun ? [] : await admin.createTopics(settings.filter((t) => !present.has(t.name))))
    const steps: ProvisionStep[] = []
    for (const topic of settings) {
      const step = { place: 'kafka', what: `topic ${topic.name}` }
      if (made.has(topic.name)) steps.push({ ...step, outcome: 'done', detail: describeTopic(topic) })
      else if (!present.has(topic.name) && isDryRun) steps.push({ ...step, outcome: 'planned', detail: describeTopic(topic) })
      else steps.push({ ...step, outcome: 'present', detail: await compareTopic(admin, topic) })
    }
    return steps
  } finally {
    await admin.close()
  }
}

/** With fewer brokers than copies wanted, as many as there are; a write then needs all but one of them. */
export function topicSettings(topic: WantedTopic, brokers: number): TopicSettings {
  const replicationFactor = Math.max(1, Math.min(REPLICAS_WANTED, brokers))
  return {
    name: topic.name,
    partitions: topic.partitions,
    replicationFactor,
    config: { ...topic.config, 'min.insync.replicas': String(Math.max(1, replicationFactor - 1)) },
  }
}

function describeTopic(topic: TopicSettings): string {
  return `${topic.partitions} partitions, ${topic.replicationFactor} replicas, ${topic.config['cleanup.policy'] ?? ''}`
}

async function compareTopic(admin: KafkaAdmin, topic: TopicSettings): Promise<string> {
  const partitions = await admin.partitionCount(topic.name)
  if (partitions === topic.partitions) return `${partitions} partitions`
  return `${partitions} partitions, the definition says ${topic.partitions}: left as it is, since keys would move`
}
