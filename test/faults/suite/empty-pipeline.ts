/** Takes away what a pipeline holds, so that it can begin again: what an operator does whose slot is gone. */
import kafkajs from 'kafkajs'
import { waitUntil } from '../../harness/wait-until.ts'
import type { TestSystem } from '../../harness/test-system.ts'

const LIMIT_MS = 30_000

/** Everything but the monolith: topics, the pipeline database, the services' databases with their slots. Nothing of Sluice may run. */
export async function emptyPipeline(system: TestSystem): Promise<void> {
  await deleteTopics(system.servers.kafka.url)
  for (const name of ['pipeline', ...system.services]) {
    const client = await system.client(name)
    await waitUntil(`the slots of ${name} to be free`, LIMIT_MS, async () => {
      const { rowCount } = await client.query('SELECT FROM pg_replication_slots WHERE database = current_database() AND active')
      return rowCount === 0
    })
    await client.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT temporary',
    )
    const { rows } = await client.query<{ drop: string }>(
      `SELECT format('DROP PUBLICATION %I', pubname) AS drop FROM pg_publication
       UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
       WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`,
    )
    for (const { drop } of rows) await client.query(drop)
    await client.query('CREATE SCHEMA public')
  }
}

/** Deletes every topic and consumer group of the broker but its own. */
export async function deleteTopics(broker: string): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [broker], clientId: 'fault suite', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    const own = async (): Promise<string[]> => (await admin.listTopics()).filter((topic) => !topic.startsWith('__'))
    const topics = await own()
    if (topics.length > 0) await admin.deleteTopics({ topics })
    await waitUntil('topics to be deleted', LIMIT_MS, async () => (await own()).length === 0)
    // A group whose member was killed is not empty before the member's session ends; those deleted already must not be asked for again.
    await waitUntil('consumer groups to be deleted', LIMIT_MS, async () => {
      const { groups } = await admin.listGroups()
      if (groups.length > 0) await admin.deleteGroups(groups.map((group) => group.groupId))
      return true
    })
  } finally {
    await admin.disconnect()
  }
}
