/** Whether topics survive the loss of a broker, and keep their events for longer than a backup is old. */
import type { HealthCheck } from '@sluice/core'
import type { KafkaAdmin, KafkaPort } from '@sluice/kafka'
import { type SystemDefinition, topicsWanted } from '@sluice/system'
import { failed, ok, skipped } from '../finding.ts'

const REPLICAS_MIN = 3
const IN_SYNC_MIN = 2
/** A service that is restored, or was away, goes on from its own position: events must be there that long. */
const RETENTION_MS_MIN = 3 * 24 * 60 * 60 * 1000

export async function checkTopicSafety(kafka: KafkaPort, system: SystemDefinition): Promise<readonly HealthCheck[]> {
  const admin = await kafka.admin()
  try {
    const present = new Set(await admin.listTopics())
    const checks: HealthCheck[] = []
    for (const { name } of topicsWanted(system)) {
      checks.push(present.has(name) ? await topicCheck(admin, name) : skipped(`kafka.safety.${name}`, 'it does not exist yet'))
    }
    return checks
  } finally {
    await admin.close()
  }
}

async function topicCheck(admin: KafkaAdmin, topic: string): Promise<HealthCheck> {
  const name = `kafka.safety.${topic}`
  const replicas = await admin.replicationFactor(topic)
  const config = await admin.topicConfig(topic)
  const inSync = Number(config['min.insync.replicas'] ?? '1')
  const retentionMs = Number(config['retention.ms'] ?? '-1')
  const alter = (setting: string): string =>
    `kafka-configs.sh --bootstrap-server … --alter --topic ${topic} --add-config ${setting}`
  const problems = [
    ...(replicas >= REPLICAS_MIN
      ? []
      : [[`${replicas} of ${REPLICAS_MIN} replicas`, `kafka-reassign-partitions.sh    gives ${topic} ${REPLICAS_MIN} replicas`]]),
    ...(inSync >= IN_SYNC_MIN
      ? []
      : [[`min.insync.replicas is ${inSync}, ${IN_SYNC_MIN} is the least`, alter(`min.insync.replicas=${IN_SYNC_MIN}`)]]),
    ...(config['unclean.leader.election.enable'] === 'true'
      ? [['a replica that lacks events may become the leader', alter('unclean.leader.election.enable=false')]]
      : []),
    ...(retentionMs === -1 || retentionMs >= RETENTION_MS_MIN
      ? []
      : [
          [
            `events are kept for ${Math.floor(retentionMs / 3_600_000)} hours, ${RETENTION_MS_MIN / 3_600_000} are the least`,
            alter(`retention.ms=${RETENTION_MS_MIN}`),
          ],
        ]),
  ]
  if (problems.length === 0) return ok(name, `${replicas} replicas, ${inSync} of them in sync at least`)
  return failed(name, { summary: problems.map(([what]) => what).join('; '), fix: problems.map(([, fix]) => fix!) })
}
