/** Extensions that a service's migrations need. */
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, sqlStateOf } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { inDatabase } from './in-database.ts'
import type { ProvisionStep } from './step.ts'

interface ExtensionRow {
  readonly name: string
  readonly isMade: boolean
  readonly isOffered: boolean
}

const EXTENSIONS = `
  SELECT w.name, EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = w.name) AS "isMade",
    EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = w.name) AS "isOffered"
  FROM pg_catalog.unnest($1::text[]) AS w (name)`

/**
 * Makes those that are missing; nothing where there are none.
 *
 * @throws SluiceError SLU-5005 when the server does not have one, or the role may not make it; nothing is made then
 */
export async function extensionSteps(
  place: string,
  target: PostgresTarget,
  extensions: readonly string[],
  isDryRun: boolean,
): Promise<readonly ProvisionStep[]> {
  if (extensions.length === 0) return []
  const step = { place, what: 'extensions' }
  const found = await inDatabase(target, isDryRun, async (client) => {
    const { rows } = await client.query<ExtensionRow>(EXTENSIONS, [extensions])
    const missing = rows.filter(({ isMade }) => !isMade)
    const absent = missing.filter(({ isOffered }) => !isOffered).map(({ name }) => name)
    if (absent.length > 0) throw notOffered(place, target, absent)
    if (!isDryRun) for (const { name } of missing) await make(client, place, target, name)
    return missing.map(({ name }) => name)
  })
  if (found === null) return [{ ...step, outcome: 'planned', detail: extensions.join(', ') }]
  if (found.length === 0) return [{ ...step, outcome: 'present', detail: extensions.join(', ') }]
  return [{ ...step, outcome: isDryRun ? 'planned' : 'done', detail: found.join(', ') }]
}

async function make(client: ClientBase, place: string, target: PostgresTarget, name: string): Promise<void> {
  try {
    await client.query(`CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(name)}`)
  } catch (error) {
    // Another provision was faster.
    if (sqlStateOf(error) === '23505') return
    if (sqlStateOf(error) !== '42501') throw error
    throw new SluiceError('EXTENSION_MISSING', {
      what: `${place} needs the extension ${name}`,
      why: `the role of ${target.display} may not make it, and it is not there yet`,
      ways: [`as a superuser in that database: CREATE EXTENSION ${quoteIdentifier(name)};    then: sluice provision`],
      cause: error,
    })
  }
}

function notOffered(place: string, target: PostgresTarget, names: readonly string[]): SluiceError {
  const list = names.join(', ')
  return new SluiceError('EXTENSION_MISSING', {
    what: `${place} needs ${names.length === 1 ? 'the extension' : 'the extensions'} ${list}`,
    why: `the server of ${target.display} does not have ${names.length === 1 ? 'it' : 'them'} (pg_available_extensions)`,
    ways: [
      `install ${list} on the server${names.includes('vector') ? ' (pgvector; Debian: apt-get install postgresql-<version>-pgvector)' : ''}, then: sluice provision`,
      `or name a server that has ${names.length === 1 ? 'it' : 'them'} in SLUICE_${place.replace(/^service\./, '').toUpperCase()}_URL`,
    ],
  })
}
