/** The projector over real Kafka and a real schema registry: what the fake can not prove. */
import { randomUUID } from 'node:crypto'
import { createEventDecoder } from '@sluice/avro'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { Publisher } from './publisher.ts'
import { customer, order } from './shop-rows.ts'
import { defineShop } from './shop-system.ts'
import { created, deleted, updated } from './test-lane.ts'

test(
  'rows travel through real topics and Avro; a standby takes over where the active one stopped',
  { timeout: 120_000 },
  async () => {
    await using service = await Shop.open()
    const definition = defineShop(`shop_${randomUUID().slice(0, 8)}`)
    const { customers, orders } = definition
    const publisher = new Publisher(definition.system)
    await publisher.open()
    const { lane } = publisher
    const source = {
      system: definition.system,
      kafka: publisher.kafka,
      decoder: createEventDecoder(publisher.registry, definition.system),
    }
    const ids = Array.from({ length: 50 }, () => randomUUID())
    lane.write(...ids.map((id) => created(customers, customer(id, { email: null }))))
    for (let i = 0; i < 3000; i++) lane.write(created(orders, order(String(i), ids[i % 50]!)))
    await publisher.publish()
    const first = service.start({}, source)
    await first.until((p) => p.kind === 'applied' && p.through >= lane.position)
    const second = service.start({}, source)
    await second.until((p) => p.kind === 'standby')
    await first.stop()
    await second.until((p) => p.kind === 'active')
    lane.write(updated(orders, order('1', null, { amount: 'NaN', tags: null })), deleted(orders, { id: '2' }))
    await publisher.publish()
    await second.until((p) => p.kind === 'applied' && p.through >= lane.position)

    expect(await service.rows('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 2999 }])
    expect(await service.rows('SELECT client_id, amount::text, tags FROM orders WHERE id = 1')).toEqual([
      { client_id: null, amount: 'NaN', tags: null },
    ])
    const duplicates = [first, second].flatMap((p) => p.progress).flatMap((p) => (p.kind === 'applied' ? [p.duplicates] : []))
    expect(duplicates.reduce((a, b) => a + b, 0)).toBe(0)
  },
)
