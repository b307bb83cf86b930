/**
 * A database beside a service's, on the same server, that lives as long as one comparison.
 *
 * States: name chosen → its lock held → created → used → dropped. The lock is one of the session that creates and drops it, so that of a
 * process that was killed the lock is gone and the database is left: the next one drops every scratch database whose lock it gets.
 */
import { randomBytes } from 'node:crypto'
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, sqlStateOf, withConnection, withDatabase } from '@sluice/postgres'
import type pg from 'pg'

const NAME = /^sluice_scratch_[0-9a-f]{20}$/

/**
 * @throws SluiceError SLU-2003 if the role may not create databases; SLU-2001 to SLU-2004; those of the work
 */
export async function withScratchDatabase<T>(target: PostgresTarget, work: (scratch: PostgresTarget) => Promise<T>): Promise<T> {
  const name = `sluice_scratch_${randomBytes(10).toString('hex')}`
  return withConnection(withDatabase(target, 'postgres'), { applicationName: 'sluice migrate' }, async (admin) => {
    await dropAbandoned(admin)
    await lock(admin, name)
    await create(admin, name, target)
    try {
      return await work(withDatabase(target, name))
    } finally {
      // One that could not be dropped is abandoned: the next one drops it. What the work threw must not be lost over it.
      await drop(admin, name).catch(() => undefined)
    }
  })
}

async function create(admin: pg.ClientBase, name: string, target: PostgresTarget): Promise<void> {
  try {
    await admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0`)
  } catch (error) {
    if (sqlStateOf(error) !== '42501') throw error
    const { rows } = await admin.query<{ role: string }>('SELECT quote_ident(current_user) AS role')
    const role = rows[0]?.role ?? ''
    throw new SluiceError('POSTGRES_PRIVILEGE_MISSING', {
      what: `no scratch database can be made beside ${target.display}`,
      why: `what the migrations make is seen by applying them to one, and role ${role} may not create databases (SQLSTATE 42501)`,
      ways: [`ALTER ROLE ${role} CREATEDB;    as a superuser`],
      cause: error,
    })
  }
}

async function dropAbandoned(admin: pg.ClientBase): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT datname AS name FROM pg_catalog.pg_database WHERE datname LIKE 'sluice\\_scratch\\_%' AND pg_get_userbyid(datdba) = current_user`,
  )
  for (const { name } of rows) {
    if (!NAME.test(name) || !(await lock(admin, name))) continue
    await drop(admin, name)
    await admin.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [name])
  }
}

/** False if another session has it. */
async function lock(admin: pg.ClientBase, name: string): Promise<boolean> {
  const { rows } = await admin.query<{ locked: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked', [
    name,
  ])
  return rows[0]?.locked === true
}

async function drop(admin: pg.ClientBase, name: string): Promise<void> {
  await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`)
}
