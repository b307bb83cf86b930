/** A role from which row level security hides rows would load only part of a table: it is refused before it makes anything. */
import { randomBytes } from 'node:crypto'
import { postgresTarget } from '@sluice/postgres'
import { expect, test } from 'vitest'
import { customers, openReaderFixture, shopLane } from './reader-fixture.ts'

test('a reader that would not see all rows is refused, and loads them all when it passes by a policy', async () => {
  const shop = await openReaderFixture('reader row security')
  const role = `sluice_reader_${randomBytes(4).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  const lane = shopLane(shop.lane.name, { tables: [customers], outbox: null })
  const url = new URL(shop.sourceUrl)
  url.username = role
  url.password = password
  const source = postgresTarget('monolith', url.toString())
  try {
    await shop.source.query(`
      CREATE ROLE ${role} LOGIN REPLICATION PASSWORD '${password}';
      GRANT SELECT ON customers TO ${role};
      CREATE PUBLICATION ${lane.publicationName} FOR TABLE customers WITH (publish_via_partition_root = true);
      INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL);
      ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON customers USING (name = current_setting('app.tenant', true))`)
    await expect(shop.start({ lane, source }).done).rejects.toMatchObject({
      number: 'SLU-5004',
      why: `row level security hides rows of public.customers from role "${role}"`,
      ways: [`as the owner: CREATE POLICY sluice_reads_all ON "public"."customers" FOR SELECT TO "${role}" USING (true);`],
    })
    expect((await shop.source.query('SELECT FROM pg_replication_slots WHERE database = current_database()')).rowCount).toBe(0)
    await shop.source.query(`CREATE POLICY sluice_reads_all ON customers FOR SELECT TO ${role} USING (true)`)
    const reader = shop.start({ lane, source })
    await shop.caughtUp(reader)
    await reader.stop()
    expect(await shop.events()).toHaveLength(2)
  } finally {
    await shop.stopAll()
    await shop.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await shop.close()
  }
})
