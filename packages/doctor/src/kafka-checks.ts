/** Checks of Kafka: reachable, topics, partitions, settings, and that topics do not come into being by themselves. */
import { type HealthCheck, toSluiceError } from '@sluice/core'
import type { KafkaAdmin, KafkaPort } from '@sluice/kafka'
import { type SystemDefinition, type WantedTopic, topicsWanted } from '@sluice/system'
import { failed, ok, warning } from './finding.ts'

export async function checkKafka(kafka: KafkaPort, system: SystemDefinition): Promise<readonly HealthCheck[]> {
  const admin = await kafka.admin()
  try {
    const { clusterId, brokers } = await admin.cluster()
    const present = new Set(await admin.listTopics())
    const autoCreation = await autoCreationCheck(admin)
    const checks: HealthCheck[] = [
      ok('kafka.connection', `cluster ${clusterId}`),
      brokers >= 3
        ? ok('kafka.brokers', `${brokers} brokers`)
        : warning('kafka.brokers', {
            summary: `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}: topics can not survive the loss of one`,
            fix: ['run at least three brokers in production'],
          }),
      autoCreation,
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

/**
 * A topic that a client brought into being by asking for it has the broker's defaults: other partitions and retention than the
 * definition says, with events in it before anybody looks. What the brokers do not tell (a privilege is missing) is no failure.
 */
async function autoCreationCheck(admin: KafkaAdmin): Promise<HealthCheck> {
  const name = 'kafka.auto_create_topics'
  const setting = 'auto.create.topics.enable'
  let brokers: ReadonlyMap<string, string>
  try {
    brokers = await admin.brokerSetting(setting)
  } catch (error) {
    const { what, why } = toSluiceError(error)
    return warning(name, {
      summary: `whether ${setting} is off is not known: ${what}`,
      cause: why,
      fix: ['kafka-acls.sh --bootstrap-server … --add --cluster --operation DescribeConfigs --allow-principal User:…'],
    })
  }
  const on = [...brokers].filter(([, value]) => value !== 'false').map(([nodeId]) => nodeId)
  if (on.length === 0) return ok(name, `${setting} is false`)
  return failed(name, {
    summary: `${setting} is true on ${on.length === 1 ? 'broker' : 'brokers'} ${on.join(', ')}`,
    cause: 'a client that asks for a topic before it is provisioned makes it, with the partitions and retention of the broker',
    fix: [
      `${setting}=false    in server.properties of each broker, then restart it`,
      'KAFKA_AUTO_CREATE_TOPICS_ENABLE=false    in the environment of a broker that is a container',
    ],
  })
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
