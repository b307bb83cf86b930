/** A small shop: two tables of the monolith that refer to each other, and one service with every kind of projection. */
import {
  type CapturedTable,
  type SystemDefinition,
  arrayOf,
  bigint,
  defineSystem,
  enumType,
  handler,
  integer,
  jsonb,
  mapTable,
  numeric,
  sql,
  table,
  text,
  topic,
  uuid,
} from '@sluice/system'

export const SERVICE = 'sales'

const nothing = (): void => undefined

const countOrders = handler('count-orders', {
  eventTypes: ['OrderPlaced'],
  apply: async (event, transaction) => {
    const { client, careless } = JSON.parse(event.payload ?? '{}') as { client?: string; careless?: boolean }
    if (client === undefined) throw new TypeError(`no client in ${event.payload ?? ''}`)
    // A mistake that handlers make: a failure is caught, and the transaction is beyond use.
    if (careless) return transaction.query('SELECT $1::text::integer', [client]).then(nothing, nothing)
    await transaction.query(
      `INSERT INTO order_counts VALUES ($1, 1, $2)
       ON CONFLICT (client_id) DO UPDATE SET orders = order_counts.orders + 1, last_event = excluded.last_event`,
      [client, event.eventId],
    )
  },
})

/** Table definitions and the system over them; a name of its own gives it topics of its own. */
export interface ShopSystem {
  readonly system: SystemDefinition
  readonly customers: CapturedTable
  readonly orders: CapturedTable
  readonly links: CapturedTable
}

export function defineShop(name: string): ShopSystem {
  const customers = table('customers', {
    aggregate: 'Customer',
    key: ['id'],
    topic: topic(`${name}.customers`, { partitions: 2 }),
    columns: {
      id: uuid(),
      email: text().nullable(),
      name: text(),
      bio: text().nullable(),
      tier: enumType('public.tier', ['basic', 'gold']),
    },
  })

  const orders = table('orders', {
    aggregate: 'Order',
    key: ['id'],
    topic: topic(`${name}.orders`, { partitions: 3 }),
    columns: {
      id: bigint(),
      customer_id: uuid().nullable(),
      amount: numeric(12, 2).nullable(),
      tags: arrayOf(text()).nullable(),
      data: jsonb().nullable(),
    },
  })

  const links = table('links', {
    aggregate: 'Link',
    key: ['id'],
    topic: topic(`${name}.links`, { partitions: 1 }),
    columns: { id: integer(), next: integer().nullable() },
  })

  const system: SystemDefinition = defineSystem({
    name,
    avroSchemas: new URL('./shop/avro/', import.meta.url),
    monolith: { tables: [customers, orders, links], outbox: { topic: topic(`${name}.events`, { partitions: 1 }) } },
    services: {
      [SERVICE]: {
        migrations: new URL('./shop/', import.meta.url),
        projections: [
          mapTable(orders, {
            into: 'orders',
            columns: (c) => ({ id: c.id, client_id: c.customer_id, amount: c.amount, tags: c.tags, data: c.data }),
          }),
          mapTable(customers, {
            into: 'clients',
            columns: (c) => ({
              client_id: c.id,
              email: c.email,
              name: c.name,
              bio: c.bio,
              tier: c.tier,
              shout: sql`upper(${c.name})`,
            }),
          }),
          mapTable(customers, {
            into: 'favourites',
            columns: (c) => ({ client_id: c.id, name: c.name, bio: c.bio }),
            filter: (c) => sql`${c.tier} = 'gold'`,
          }),
          mapTable(customers, {
            into: 'sightings',
            columns: (c) => ({ client_id: c.id, name: c.name, bio: c.bio }),
            tracking: (e) => ({
              last_position: e.position,
              last_commit: e.committedAt,
              seen_by: sql`jsonb_build_object('sales', ${e.version})`,
            }),
          }),
          mapTable(links, { into: 'links' }),
          countOrders,
        ],
      },
    },
  })
  return { system, customers, orders, links }
}

export const { system: shop, customers, orders, links } = defineShop('shop')
