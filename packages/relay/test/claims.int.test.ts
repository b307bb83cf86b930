/** The claim check: values that their topic is too small for are stored before the message that claims them, once. */
import { type EventDraft, isClaimed } from '@sluice/core'
import { relayParked } from '@sluice/store'
import { type SystemDefinition, bigint, bytea, table, text, topic } from '@sluice/system'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { RelayFixture, hooked } from './relay-fixture.ts'

const MEBIBYTE = 1024 * 1024

/** Papers with values of any size. Their topic takes 8 MiB. */
function library(): SystemDefinition {
  const name = `library_${randomUUID().slice(0, 8)}`
  const papers = table('papers', {
    aggregate: 'Paper',
    key: ['id'],
    topic: topic(`${name}.papers`, { partitions: 2 }),
    columns: { id: bigint(), title: text(), body: text().nullable(), scan: bytea().nullable() },
  })
  return { name, avroSchemas: new URL('./avro/', import.meta.url), monolith: { tables: [papers] }, services: {} }
}

interface PaperRow {
  readonly id: string
  readonly title: string
  readonly body: string | null
  readonly scan: string | null
}

function paper(row: Partial<PaperRow>): Partial<EventDraft> {
  const after = { id: '1', title: 'one', body: null, scan: null, ...row }
  return { aggregateType: 'Paper', eventType: 'PaperCreated', eventData: JSON.stringify({ op: 'c', after }) }
}

async function claimsIn({ client }: RelayFixture) {
  const { rows } = await client.query<{ id: string; event: string; column: string; value: string; keptDays: number }>(
    `SELECT claim_id::text AS id, event_id::text AS event, column_name AS column, value,
       round(extract(epoch FROM kept_until - now()) / 86400)::integer AS "keptDays" FROM claims ORDER BY position, column_name`,
  )
  return rows
}

test('a text and a bytea of 20 MB: the message is small and claims them, the pipeline database holds them byte for byte', async () => {
  const fixture = await RelayFixture.open(library())
  const body = 'ä"\\\n\u2028'.repeat((20 * MEBIBYTE) / 8)
  const scan = `\\x${hexDigits(20 * MEBIBYTE)}`
  await fixture.commit([paper({ body, scan }), paper({ title: 'another' })])
  await fixture.publishAll()
  const published = await fixture.published()
  const [large] = published.filter((event) => event.position === 1n)
  expect(large).toMatchObject({ after: { id: '1', title: 'one' }, claims: [{ column: 'body' }, { column: 'scan' }] })
  expect(large!.after).not.toHaveProperty('body')
  expect(published.filter((event) => event.position === 2n)).toMatchObject([{ after: { body: null, scan: null } }])
  const stored = await claimsIn(fixture)
  expect(stored.map((row) => [row.id, row.event, row.column])).toEqual(
    large!.claims!.map((claim) => [claim.claimId, large!.eventId, claim.column]),
  )
  expect(stored.map((row, i) => isClaimed(large!.claims![i]!, row.value))).toEqual([true, true])
  expect([stored[0]!.value === body, stored[1]!.value === scan]).toEqual([true, true])
  // Kafka's retention and the age of a segment, a week each.
  expect(stored[0]!.keptDays).toBe(14)
  await fixture.close()
})

test('killed between the claim and the message, the next relay finds the claim again and publishes the event once', async () => {
  const fixture = await RelayFixture.open(library())
  await fixture.commit([paper({ body: 'x'.repeat(9 * MEBIBYTE) })])
  const killed = hooked(fixture.kafka, (step) => {
    if (step === 'send') throw new Error('killed')
  })
  await expect(fixture.publishAll({ kafka: killed })).rejects.toThrow('killed')
  const before = await claimsIn(fixture)
  expect(before).toHaveLength(1)
  expect(await fixture.published()).toEqual([])
  await fixture.publishAll()
  expect((await fixture.published()).map((event) => event.claims?.map((claim) => claim.claimId))).toEqual([[before[0]!.id]])
  expect(await claimsIn(fixture)).toEqual(before)
  await fixture.close()
})

test('a relay that finds another value under the claim stops, and publishes nothing', async () => {
  const fixture = await RelayFixture.open(library())
  await fixture.commit([paper({ body: 'x'.repeat(9 * MEBIBYTE) })])
  const killed = hooked(fixture.kafka, () => {
    throw new Error('killed')
  })
  await expect(fixture.publishAll({ kafka: killed })).rejects.toThrow('killed')
  await fixture.client.query(`UPDATE claims SET value = 'y', sha256 = sha256('y')`)
  await expect(fixture.publishAll()).rejects.toMatchObject({ code: 'CLAIM_DIFFERS' })
  expect(await fixture.published()).toEqual([])
  await fixture.close()
})

test('a bound below the topic’s own is kept, and an event that is too large without its values is parked', async () => {
  const fixture = await RelayFixture.open(library())
  const limits = { messageBytesMax: 4_000 }
  await fixture.commit([
    paper({ body: 'x'.repeat(5_000) }),
    { ...paper({ body: 'secret'.repeat(1_000) }), correlationId: 'c'.repeat(4_000) },
  ])
  await fixture.publishAll({ limits })
  expect((await fixture.published()).map((event) => event.claims?.map((claim) => claim.bytes))).toEqual([[5_000]])
  const parked = await relayParked(fixture.client, (await fixture.record()).lane, { limit: 9 })
  expect(parked.map((event) => [event.position, event.errorCode])).toEqual([[2n, 'SLU-4004']])
  expect(JSON.stringify(parked.map((event) => event.errorMessage))).not.toContain('secret')
  expect(await claimsIn(fixture)).toHaveLength(1)
  await fixture.close()
})

function hexDigits(bytes: number): string {
  return Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 31) % 256))
    .toString('hex')
    .repeat(bytes / 4_096)
}
