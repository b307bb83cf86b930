/**
 * Makes the bookshop's monolith and fills it: 500 books, 1,000 customers, 5,000 orders.
 *
 *   node schemas/bookshop/seed.ts postgresql://user:password@host:5432/database
 */
import { readFile } from 'node:fs/promises'
import pg from 'pg'

const ROWS = `
  INSERT INTO books (isbn, title, format, price, in_print)
  SELECT '978-' || lpad(n::text, 9, '0'), 'Volume ' || n || ' of the Große Enzyklopädie',
         (ARRAY['hardcover', 'paperback', 'ebook'])[n % 3 + 1]::book_format, 5 + n % 40 + 0.99, n % 10 <> 0
  FROM generate_series(1, 500) AS n;

  INSERT INTO customers (first_name, last_name, email)
  SELECT (ARRAY['Ann', 'José', '明', 'Zoë'])[n % 4 + 1], 'Müller-' || n, 'reader' || n || '@example.com'
  FROM generate_series(1, 1000) AS n;

  INSERT INTO orders (customer_id, isbn, quantity, note, ordered_at)
  SELECT n % 1000 + 1, '978-' || lpad((n % 500 + 1)::text, 9, '0'), n % 3 + 1,
         CASE WHEN n % 5 = 0 THEN 'as a present' END, timestamptz '2026-01-01' + n * interval '1 minute'
  FROM generate_series(1, 5000) AS n`

export async function seedBookshop(url: string): Promise<void> {
  const migration = await readFile(new URL('./monolith/0001_bookshop.sql', import.meta.url), 'utf8')
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ books: string | null }>("SELECT to_regclass('public.books')::text AS books")
    const tables = rows[0]?.books ? '' : migration.slice(0, migration.indexOf('-- Down Migration'))
    // Several statements in one query are one transaction.
    await client.query(`${tables}${ROWS}`)
  } finally {
    await client.end()
  }
}

if (import.meta.main) {
  const [url] = process.argv.slice(2)
  if (url === undefined) {
    process.stderr.write('usage: node schemas/bookshop/seed.ts postgresql://user:password@host:5432/database\n')
    process.exitCode = 2
  } else {
    await seedBookshop(url)
    process.stdout.write('The bookshop has 500 books, 1,000 customers and 5,000 orders.\n')
  }
}
