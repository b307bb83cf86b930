import { expect, test } from 'vitest'
import { bigint, defineSystem, handler, lanesOf, mapTable, subscriptionsOf, table, topic, topicsOf } from './index.ts'

const folder = new URL('./', import.meta.url)
const capture = <const Name extends string>(name: Name, aggregate: string) =>
  table(name, { aggregate, key: ['id'], topic: topic(`shop.${name}`), columns: { id: bigint() } })
const books = capture('books', 'Book')
const orders = capture('orders', 'Order')
const ignore = async (): Promise<void> => undefined

const system = defineSystem({
  name: 'shop',
  avroSchemas: folder,
  monolith: { tables: [books, orders], outbox: { topic: topic('shop.events') } },
  services: {
    catalog: {
      migrations: folder,
      projections: [mapTable(books, { into: 'books' })],
      outbox: { topic: topic('catalog.events') },
    },
    sales: {
      migrations: folder,
      projections: [handler('reviews', { tables: [orders], eventTypes: ['BookReviewed'], apply: ignore })],
    },
  },
})

test('the monolith and each outbox of a service have a lane, with a slot of its own', () => {
  expect(lanesOf(system).map((l) => [l.name, l.slotName, topicsOf(l).map((t) => t.name)])).toEqual([
    ['monolith', 'sluice_shop_monolith', ['shop.books', 'shop.orders', 'shop.events']],
    ['catalog_outbox', 'sluice_shop_catalog_outbox', ['catalog.events']],
  ])
})

test('a service consumes the topics of its tables, and every outbox if it reads own events', () => {
  const topics = (service: string): unknown => subscriptionsOf(system, service).map((s) => [s.lane.name, s.topics])
  expect(topics('catalog')).toEqual([['monolith', ['shop.books']]])
  expect(topics('sales')).toEqual([
    ['monolith', ['shop.orders', 'shop.events']],
    ['catalog_outbox', ['catalog.events']],
  ])
})
