/** Checks of Kafka: reachable, topics, partitions, settings, and that topics do not come into being by themselves. */
import type { HealthCheck } from '@sluice/core'
import type { KafkaAdmin, KafkaPort } from '@sluice/kafka'
import { type SystemDefinition, type WantedTopic, topicsWanted } from '@sluice/system'
import { ok, warning } from './finding.ts'

export async function checkKafka(kafka: KafkaPort, system: SystemDefinition): Promise<readonly HealthCheck[]> {
  const admin = await kafka.admin()
  try {
    const { clusterId, brokers } = await admin.cluster()
    const present = new Set(await admin.listTopics())
    const checks: HealthCheck[] = [
      ok('kafka.connection', `cluster ${clusterId}`),
      brokers >= 3
        ? ok('kafka.brokers', `${brokers} brokers`)
        : warning('kafka.brokers', {
            summary: `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}: topics can not survive the loss of one`,
            fix: ['run at least three brokers in production'],
          }),
    ]
    const wanted = topicsWanted(system)
    const missing = wanted.filter((t) => !present.has(t.name)).map((t) => t.name)
    checks.push(missingCheck(missing, wanted.length))
    for (const topic of wanted.filter((t) => present.has(t.name))) checks.push(await topicCheck(admin, topic))
    return checks
  } finally {
    await admin.close()
  }
}

function missingCheck(missing: readonly string[], count: number): HealthCheck {
  if (missing.length === 0) return ok('kafka.topics', `all ${count} topics exist`)
  return warning('kafka.topics', {
    summary: `${missing.length} of ${count} topics do not exist yet: ${missing.join(', ')}`,
    fix: ['sluice provision'],
    code: 'SLU-4002',
  })
}

async function topicCheck(admin: KafkaAdmin, topic: WantedTopic): Promise<HealthCheck> {
  const name = `kafka.topic.${topic.name}`
  const partitions = await admin.partitionCount(topic.name)
  const config = await admin.topicConfig(topic.name)
  const problems = [
    ...(partitions === topic.partitions ? [] : [`${partitions} partitions, the definition says ${topic.partitions}`]),
    ...Object.entries(topic.config).flatMap(([key, value]) =>
      config[key] === undefined || config[key] === value ? [] : [`${key} is ${config[key]}, the definition says ${value}`],
    ),
  ]
  if (problems.length === 0) return ok(name, `${partitions} partitions`)
  const differs = Object.entries(topic.config).filter(([key, value]) => config[key] !== undefined && config[key] !== value)
  const alter = differs.map(([key, value]) => `${key}=${value}`).join(',')
  return warning(name, {
    summary: problems.join('; '),
    fix: [
      ...(alter === '' ? [] : [`kafka-configs.sh --bootstrap-server … --alter --topic ${topic.name} --add-config ${alter}`]),
      ...(partitions === topic.partitions
        ? []
        : [`set partitions: ${partitions} in the system definition: more partitions would move keys and break their order`]),
    ],
  })
}
