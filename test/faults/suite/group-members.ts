import kafkajs from 'kafkajs'
import type { Stage } from './stage.ts'

/**
 * Waits until the consumer group of a service has as many members, and no rebalance under way. A projector without a membership would
 * work on all the same, and nobody could take over from it.
 */
export async function groupHasMembers(stage: Stage, service: string, members: number): Promise<void> {
  const kafka = new kafkajs.Kafka({
    brokers: [stage.servers.running.kafka.url],
    clientId: 'fault suite',
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const admin = kafka.admin()
  await admin.connect()
  try {
    await stage.until(`${members} members in the group of ${service}`, async () => {
      const { groups } = await admin.describeGroups([`sluice.${stage.system.definition.name}.${service}`])
      return groups[0]?.state === 'Stable' && groups[0].members.length === members
    })
  } finally {
    await admin.disconnect()
  }
}
