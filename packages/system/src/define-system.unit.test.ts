import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import {
  type CapturedTable,
  type ServiceDefinition,
  type SystemDefinition,
  bigint,
  defineSystem,
  enumType,
  groupTable,
  handler,
  mapTable,
  numeric,
  sql,
  table,
  text,
  topic,
} from './index.ts'

const books = table('books', {
  aggregate: 'Book',
  key: ['id'],
  topic: topic('shop.books'),
  columns: { id: bigint(), title: text(), price: numeric(8, 2) },
})
const orders = table('orders', {
  aggregate: 'Order',
  key: ['id', 'line'],
  topic: topic('shop.orders'),
  columns: { id: bigint(), line: bigint(), note: text().nullable() },
})
const folder = new URL('./', import.meta.url)

const catalog: ServiceDefinition = { migrations: folder, projections: [mapTable(books, { into: 'titles' })] }

function shop(changes: Partial<SystemDefinition> = {}): SystemDefinition {
  return { name: 'shop', avroSchemas: folder, monolith: { tables: [books, orders] }, services: { catalog }, ...changes }
}

/** `place: problem` of every mistake. */
function mistakesOf(definition: unknown): readonly string[] {
  try {
    defineSystem(definition as SystemDefinition)
    return []
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SYSTEM_INVALID') return error.why.split('\n')
    throw error
  }
}

function withProjections(...projections: ServiceDefinition['projections']): SystemDefinition {
  return shop({ services: { catalog: { migrations: folder, projections } } })
}

const booksByTitle = groupTable(books, {
  memory: 'known_books',
  groups: [
    {
      into: 'title_counts',
      by: (c) => ({ title: c.title }),
      count: 'books',
      expectation: 'SELECT title, count(*) FROM public.books GROUP BY title',
    },
  ],
})

function withTables(...tables: readonly CapturedTable[]): SystemDefinition {
  const [first] = tables
  return shop({
    monolith: { tables },
    services: { catalog: { migrations: folder, projections: first ? [mapTable(first, { into: 'titles' })] : [] } },
  })
}

const bookLike = (changes: Partial<CapturedTable>): CapturedTable => ({ ...books, ...changes })
const cheapBooks = mapTable(books, { into: 't', columns: (c) => ({ id: c.id }), filter: (c) => sql`${c.price} < 10` })
const nothing = async (): Promise<void> => undefined

test('a right definition is returned as it is', () => {
  const definition = shop()
  expect(defineSystem(definition)).toBe(definition)
})

test('two mappings of one table may share a target, each with a filter of its own', () => {
  const dearBooks = mapTable(books, {
    into: 't',
    name: 'dear',
    columns: (c) => ({ id: c.id }),
    filter: (c) => sql`${c.price} >= 10`,
  })
  expect(mistakesOf(withProjections(cheapBooks, dearBooks))).toEqual([])
})

test('every mistake is told at once, each with its place', () => {
  const definition = shop({
    name: 'Shop',
    monolith: { tables: [bookLike({ topic: topic('shop.books', { partitions: 0 }) }), orders] },
    services: { catalog, Sales: { migrations: folder, projections: [] } },
  })
  expect(mistakesOf(definition)).toEqual([
    'name: "Shop" must be lower case letters, digits and underscores, and begin with a letter',
    'services.catalog.projections[0].source: public.books is not one of monolith.tables',
    'services.Sales: "Sales" must be lower case letters, digits and underscores, and begin with a letter',
    'services.Sales.projections: the service has neither a projection, a sink nor an outbox',
    'monolith.tables[0].topic.partitions: it is 0, it must be a whole number from 1 on',
  ])
})

test('the error counts the mistakes, names the system and exits as a wrong configuration', () => {
  try {
    defineSystem(shop({ services: {} }))
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ what: 'the definition of system "shop" has a mistake', exitCode: 2 })
  }
})

const longName = 'x'.repeat(64)
const cases: readonly (readonly [name: string, definition: SystemDefinition, mistake: string])[] = [
  [
    'a slot name that PostgreSQL would cut off',
    shop({ name: 'a'.repeat(50) }),
    `name: the slot of lane monolith would be "sluice_${'a'.repeat(50)}_monolith", 66 bytes; PostgreSQL keeps 63`,
  ],
  ['no table', withTables(), 'monolith.tables: no table is captured'],
  [
    'a table captured twice',
    withTables(books, bookLike({ aggregateType: 'Copy', topic: topic('shop.copies') })),
    'monolith.tables[1]: public.books is captured already by monolith.tables[0]',
  ],
  [
    'an aggregate of two tables',
    withTables(books, bookLike({ name: 'copies', topic: topic('shop.copies') })),
    'monolith.tables[1].aggregate: "Book" is the aggregate of monolith.tables[0] already',
  ],
  [
    'an aggregate that is no name in Avro',
    withTables(bookLike({ aggregateType: 'Buch-Titel' })),
    'monolith.tables[0].aggregate: "Buch-Titel" must be letters, digits and underscores, and not begin with a digit',
  ],
  ['a table without a key', withTables(bookLike({ key: [] })), 'monolith.tables[0].key: the primary key has no column'],
  [
    'a key column that is not captured',
    withTables(bookLike({ key: ['isbn'] })),
    'monolith.tables[0].key[0]: "isbn" is not among the table\'s columns',
  ],
  [
    'a key column that may be NULL',
    withTables(bookLike({ columns: { ...books.columns, id: bigint().nullable() } })),
    'monolith.tables[0].key[0]: "id" is nullable, a key is not',
  ],
  [
    'a column name that PostgreSQL would cut off',
    withTables(bookLike({ columns: { ...books.columns, [longName]: text() } })),
    `monolith.tables[0].columns.${longName}: "${longName}" has 64 bytes, PostgreSQL keeps 63`,
  ],
  [
    'a precision that PostgreSQL does not take',
    withTables(bookLike({ columns: { ...books.columns, price: numeric(1001) } })),
    'monolith.tables[0].columns.price: the precision is 1001, it must be 1 to 1000',
  ],
  [
    'a scale that Avro does not take',
    withTables(bookLike({ columns: { ...books.columns, price: numeric(4, 5) } })),
    "monolith.tables[0].columns.price: the scale is 5, Avro's decimal takes 0 to the precision (4): use other('numeric(…)')",
  ],
  [
    'an enum label named twice',
    withTables(bookLike({ columns: { ...books.columns, format: enumType('public.format', ['a', 'a']) } })),
    'monolith.tables[0].columns.format: the label "a" is named twice',
  ],
  [
    'a topic of two aggregate types',
    withTables(books, { ...orders, topic: books.topic }),
    'monolith.tables[1].topic.name: topic shop.books is taken by monolith.tables[0].topic.name: a topic has one lane and one aggregate type',
  ],
  [
    'two topics that are one for Kafka',
    withTables(books, { ...orders, topic: topic('shop_books') }),
    'monolith.tables[1].topic.name: Kafka takes topic shop_books for shop.books (monolith.tables[0].topic.name): it does not tell "." from "_"',
  ],
  [
    'an outbox on the topic of a table',
    shop({ monolith: { tables: [books, orders], outbox: { topic: topic('shop.orders') } } }),
    'monolith.outbox.topic.name: topic shop.orders is taken by monolith.tables[1].topic.name: a topic has one lane and one aggregate type',
  ],
  [
    'an outbox on the control topic of its lane',
    shop({ monolith: { tables: [books, orders], outbox: { topic: topic('sluice.shop.monolith.control') } } }),
    'the control topic of lane monolith: topic sluice.shop.monolith.control is taken by monolith.outbox.topic.name: a topic has one lane and one aggregate type',
  ],
  [
    'a topic name that Kafka refuses',
    withTables(bookLike({ topic: topic('shop/books') })),
    'monolith.tables[0].topic.name: "shop/books" is no topic name: 1 to 249 letters, digits, ".", "_" and "-"',
  ],
  [
    'a retention of nothing',
    withTables(bookLike({ topic: topic('shop.books', { retentionMs: 0 }) })),
    'monolith.tables[0].topic.retentionMs: it is 0, it must be a whole number of milliseconds from 1 on, or -1 for ever',
  ],
  [
    'an outbox that is captured as a table too',
    shop({ monolith: { tables: [books, orders], outbox: { table: 'orders', topic: topic('shop.events') } } }),
    'monolith.outbox: public.orders is a captured table too: its rows are events already',
  ],
  ['no service', shop({ services: {} }), 'services: the system has no service'],
  [
    "a service whose variable is the monolith's",
    shop({ services: { monolith: catalog } }),
    'services.monolith: "monolith" can not be a service\'s name: SLUICE_MONOLITH_URL is another database',
  ],
  [
    'a mapping that loses a part of the key',
    withProjections(mapTable(orders, { into: 'lines', columns: (c) => ({ id: c.id, line: sql`${c.line} + 1` }) })),
    'services.catalog.projections[0].columns: key column "line" of public.orders is not held by a plain reference, such as line: c.line',
  ],
  [
    "an expression over another table's column",
    withProjections(mapTable(books, { into: 'titles', columns: (c) => ({ id: c.id, note: sql`${orders.refs.note}` }) })),
    'services.catalog.projections[0].columns.note: public.books has no captured column "note"',
  ],
  [
    "a filter over another table's column",
    withProjections(mapTable(books, { into: 'titles', filter: () => sql`${orders.refs.note} IS NULL` })),
    'services.catalog.projections[0].filter: public.books has no captured column "note"',
  ],
  [
    'a target of two captured tables',
    withProjections(mapTable(books, { into: 't' }), mapTable(orders, { into: 't' })),
    'services.catalog.projections[1].into: table public.t is written by services.catalog.projections[0].into already, from another source: merge the two in a handler',
  ],
  [
    'a target shared without filters',
    withProjections(mapTable(books, { into: 't' }), mapTable(books, { into: 't', name: 'again' })),
    'services.catalog.projections[1].into: table public.t is written by services.catalog.projections[0].into already: give each a filter, so that no row of the source is in both',
  ],
  [
    'a target shared in other columns',
    withProjections(cheapBooks, mapTable(books, { into: 't', name: 'dear', filter: (c) => sql`${c.price} >= 10` })),
    'services.catalog.projections[1].into: table public.t is written by services.catalog.projections[0].into already, in other columns: fill the same ones in the same order',
  ],
  [
    'a handler of events alone without an outbox',
    withProjections(handler('h', { tables: [books], isEventsOnly: true, apply: nothing })),
    'services.catalog.projections[0].isEventsOnly: the service has no outbox to write events into',
  ],
  [
    'groups in an independent service',
    shop({ services: { catalog: { migrations: folder, projections: [booksByTitle], independent: true } } }),
    'services.catalog.projections[0]: it makes rows of several keys, and an independent service has its events in order within a key only',
  ],
  [
    "a target that is the projector's own table",
    withProjections(mapTable(books, { into: 'processed_events' })),
    'services.catalog.projections[0].into: table public.processed_events belongs to Sluice',
  ],
  [
    'a projection named twice',
    withProjections(
      handler('count', { tables: [books], apply: nothing }),
      handler('count', { tables: [orders], apply: nothing }),
    ),
    'services.catalog.projections[1]: "count" is the name of projections[0] already',
  ],
  [
    'a handler that reads nothing',
    withProjections(handler('idle', { apply: nothing })),
    'services.catalog.projections[0]: it reads nothing: name tables, or the eventTypes of an outbox',
  ],
  [
    'own event types without an outbox',
    withProjections(handler('h', { eventTypes: ['BookReviewed'], apply: nothing })),
    'services.catalog.projections[0].eventTypes: no database of the system has an outbox that could carry them',
  ],
  [
    "a table's event named as an application's own",
    shop({
      monolith: { tables: [books, orders], outbox: { topic: topic('shop.events') } },
      services: { catalog: { migrations: folder, projections: [handler('h', { eventTypes: ['BookCreated'], apply: nothing })] } },
    }),
    'services.catalog.projections[0].eventTypes[0]: "BookCreated" is an event of public.books: name that table under tables',
  ],
]

test.each(cases)('%s is refused', (_name, definition, mistake) => {
  expect(mistakesOf(definition)).toContain(mistake)
})

const expectation = { targetSchema: 'public', target: 'counts', key: ['id'], columns: ['id', 'n'], query: 'SELECT id, n FROM t' }

test.each([
  [{ key: ['isbn'] }, '.columns: key column "isbn" is not among them'],
  [{ key: [] }, '.key: the key has no column'],
  [{ columns: ['id', 'n', 'n'] }, '.columns: "n" is named twice'],
  [{ query: 'DELETE FROM t' }, '.query: it must be a SELECT'],
  [{ source: 'stock' }, '.source: the system has no service "stock"; leave it out for the monolith'],
  [{ source: 'catalog' }, '.source: a service can not be what its own tables are compared with'],
  [{ source: 'sales' }, '.source: service "sales" has no outbox, so nothing of it reaches this service'],
])('an expectation with %o is refused', (changes, mistake) => {
  const counts = handler('counts', { tables: [books], expectations: [{ ...expectation, ...changes }], apply: nothing })
  const sales: ServiceDefinition = { migrations: folder, projections: [mapTable(orders, { into: 'orders' })] }
  expect(mistakesOf(shop({ services: { catalog: { migrations: folder, projections: [counts] }, sales } }))).toEqual([
    `services.catalog.projections[0].expectations[0]${mistake}`,
  ])
})

test.each([
  ['sales', 'a service does not hold a copy of what it owns itself'],
  ['stock', 'the system has no service "stock"'],
  ['catalog', 'service "catalog" maps no public.orders of its own'],
  ['support', 'service "support" maps no public.orders of its own'],
])('a copy of what "%s" does not own is refused', (copyOf, problem) => {
  const sales: ServiceDefinition = { migrations: folder, projections: [mapTable(orders, { into: 'orders', copyOf })] }
  // A copy is not a source of copies: they all follow their owner.
  const support: ServiceDefinition = { migrations: folder, projections: [mapTable(orders, { into: 'o', copyOf: 'shipping' })] }
  const shipping: ServiceDefinition = { migrations: folder, projections: [mapTable(orders, { into: 'orders' })] }
  expect(mistakesOf(shop({ services: { catalog, sales, support, shipping } }))).toEqual([
    `services.sales.projections[0].copyOf: ${problem}`,
  ])
  expect(mistakesOf(shop({ services: { catalog, support, shipping } }))).toEqual([])
})

test('what the compiler did not see is refused by its shape', () => {
  expect(mistakesOf(null)).toEqual([expect.stringMatching(/^the definition: /)])
  const broken = { ...shop(), services: { catalog: { migrations: './migrations', projections: [{ kind: 'view' }] } } }
  expect(mistakesOf(broken)).toEqual([
    "services.catalog.migrations: must be a URL: new URL('./folder/', import.meta.url)",
    'services.catalog.projections[0].kind: must be made by mapTable(…) or handler(…)',
  ])
})
