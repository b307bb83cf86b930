/** Who is connected to a database is told to roles that are nobody's members, too: `migrate down` asks so whether a projector runs. */
import { randomBytes } from 'node:crypto'
import { createTestDatabase } from '@sluice/infra'
import { expect, test } from 'vitest'
import { connect, postgresTarget, sessionsOf } from '../src/index.ts'

test('a role sees the sessions of another role', async () => {
  const suffix = randomBytes(4).toString('hex')
  const [owner, projector] = [`sluice_owner_${suffix}`, `sluice_projector_${suffix}`]
  const database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'sessions')
  const admin = await connect(postgresTarget('admin', database.url), { applicationName: 'test' })
  const as = (role: string): string => {
    const url = new URL(database.url)
    url.username = role
    url.password = suffix
    return url.href
  }
  try {
    await admin.query(`CREATE ROLE ${owner} LOGIN PASSWORD '${suffix}'; CREATE ROLE ${projector} LOGIN PASSWORD '${suffix}'`)
    const working = await connect(postgresTarget('shop', as(projector)), { applicationName: 'sluice projector shop' })
    const asking = await connect(postgresTarget('shop', as(owner)), { applicationName: 'sluice migrate' })
    try {
      const name = decodeURIComponent(new URL(database.url).pathname.slice(1))
      expect(await sessionsOf(asking, name, 'sluice projector%')).toEqual(['sluice projector shop'])
    } finally {
      await Promise.all([working.end(), asking.end()])
    }
  } finally {
    await admin.query(`DROP ROLE IF EXISTS ${owner}, ${projector}`)
    await admin.end()
    await database.drop()
  }
})
