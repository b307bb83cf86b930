import { createTestDatabase } from '@sluice/infra'
import { createPool, postgresTarget } from '@sluice/postgres'
import { expect, test } from 'vitest'

test('a connection that the server ends while it is checked out fails the next query on it, and not the process', async () => {
  const database = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'lost connection')
  const pool = createPool(postgresTarget('pipeline', database.url), { applicationName: 'sluice-test', max: 2 })
  try {
    const client = await pool.connect()
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const ended = new Promise((resolve) => client.once('end', resolve))
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await ended
    await expect(client.query('SELECT 1')).rejects.toThrow()
    client.release(true)
  } finally {
    await pool.end()
    await database.drop()
  }
})
