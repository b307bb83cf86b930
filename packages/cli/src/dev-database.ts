/** Databases on the servers of `sluice dev`: made once, marked as made by Sluice. */
import { markDatabase } from '@sluice/infra'
import { quoteIdentifier } from '@sluice/core'
import { connect, postgresTarget, sqlStateOf, toPostgresError } from '@sluice/postgres'

const DUPLICATE_DATABASE = '42P04'

/** @returns true if it was made now. */
export async function createDevDatabase(serverUrl: string, name: string): Promise<boolean> {
  const target = postgresTarget('dev server', serverUrl)
  const client = await connect(target, { applicationName: 'sluice dev' })
  try {
    await client.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0`)
    await markDatabase(client, name, 'sluice dev')
    return true
  } catch (error) {
    if (sqlStateOf(error) === DUPLICATE_DATABASE) return false
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}
