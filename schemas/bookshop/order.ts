/**
 * Places one order, as the bookshop's application would, and names its context: everything that follows from it can be
 * traced by its correlation id.
 *
 *   node schemas/bookshop/order.ts postgresql://user:password@host:5432/database my-first-order
 */
import { setTransactionContext } from '@sluice/outbox'
import pg from 'pg'

export async function placeOrder(url: string, correlationId: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query('BEGIN')
    await setTransactionContext(client, { correlationId, userId: 'ann' })
    await client.query(
      `INSERT INTO orders (customer_id, isbn, quantity, note) VALUES (1, '978-000000001', 2, 'for the tutorial')`,
    )
    await client.query(`UPDATE books SET price = price + 1 WHERE isbn = '978-000000001'`)
    await client.query('COMMIT')
  } finally {
    await client.end()
  }
}

if (import.meta.main) {
  const [url, correlationId] = process.argv.slice(2)
  if (url === undefined || correlationId === undefined) {
    process.stderr.write('usage: node schemas/bookshop/order.ts URL CORRELATION-ID\n')
    process.exitCode = 2
  } else {
    await placeOrder(url, correlationId)
    process.stdout.write(`Ordered; its correlation id is ${correlationId}.\n`)
  }
}
