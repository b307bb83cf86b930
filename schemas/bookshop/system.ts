/** The bookshop of the tutorial: one small monolith, two services. */
import {
  bigint,
  boolean,
  defineSystem,
  enumType,
  integer,
  mapTable,
  numeric,
  sql,
  table,
  text,
  timestamptz,
  topic,
} from '@sluice/system'

const books = table('books', {
  aggregate: 'Book',
  key: ['isbn'],
  topic: topic('bookshop.books'),
  columns: {
    isbn: text(),
    title: text(),
    format: enumType('public.book_format', ['hardcover', 'paperback', 'ebook']),
    price: numeric(8, 2),
    in_print: boolean(),
  },
})

const customers = table('customers', {
  aggregate: 'Customer',
  key: ['id'],
  topic: topic('bookshop.customers'),
  columns: { id: bigint(), first_name: text(), last_name: text(), email: text() },
})

const orders = table('orders', {
  aggregate: 'Order',
  key: ['id'],
  topic: topic('bookshop.orders'),
  columns: {
    id: bigint(),
    customer_id: bigint(),
    isbn: text(),
    quantity: integer(),
    note: text().nullable(),
    ordered_at: timestamptz(),
  },
})

export default defineSystem({
  name: 'bookshop',
  title: 'Bookshop',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: {
    migrations: new URL('./monolith/', import.meta.url),
    tables: [books, customers, orders],
  },
  services: {
    catalog: {
      migrations: new URL('./catalog/', import.meta.url),
      projections: [
        mapTable(books, {
          into: 'titles',
          columns: (c) => ({
            isbn: c.isbn,
            title: c.title,
            format: c.format,
            price_cents: sql`(${c.price} * 100)::integer`,
          }),
          filter: (c) => sql`${c.in_print}`,
        }),
      ],
    },
    sales: {
      migrations: new URL('./sales/', import.meta.url),
      projections: [
        mapTable(customers, {
          into: 'customers',
          columns: (c) => ({
            customer_id: c.id,
            full_name: sql`${c.first_name} || ' ' || ${c.last_name}`,
            email: c.email,
          }),
        }),
        mapTable(orders, {
          into: 'orders',
          columns: (c) => ({
            order_id: c.id,
            customer_id: c.customer_id,
            isbn: c.isbn,
            quantity: c.quantity,
            note: c.note,
            ordered_at: c.ordered_at,
          }),
        }),
      ],
    },
  },
})
