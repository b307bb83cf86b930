/** Who was erased after a backup was taken is erased in what is restored from it, before anybody can read it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServers } from '@sluice/infra'
import { eraseSubject } from '@sluice/privacy'
import { withConnection, withDatabase } from '@sluice/postgres'
import { expect, test } from 'vitest'
import { insertPerson, person } from '../../../test/privacy/planted-people.ts'
import { MASTER_KEYS, PrivatePipeline } from '../../../test/privacy/private-pipeline.ts'
import { backupDatabase, findTool, planRestore, restoreDatabase } from '../src/index.ts'
import { programsOf16 } from './programs.ts'

test('a person who was erased since does not come back', async () => {
  const servers = await startServers({ services: true, extensions: ['vector'] })
  process.env['SLUICE_TEST_SERVICES_URL'] = servers.services.url
  const root = await mkdtemp(join(tmpdir(), 'sluice-backup-'))
  {
    await using pipeline = await PrivatePipeline.open('privacy_backup')
    await insertPerson(pipeline.clients.monolith, person('gone', 1))
    await insertPerson(pipeline.clients.monolith, person('stays', 2))
    const engines = pipeline.start()
    await pipeline.caughtUp()
    await engines.stop()

    const { system } = pipeline.shop
    const { monolith, pipeline: store, crm, mail } = pipeline.targets
    const signal = new AbortController().signal
    const programs = await programsOf16()
    await backupDatabase({
      system: system.name,
      target: crm,
      sink: null,
      to: root,
      tool: await findTool('pg_dump', programs),
      keys: null,
      signal,
    })
    await eraseSubject(
      { system, monolith, pipeline: store, services: { crm, mail }, master: MASTER_KEYS },
      { kind: 'person', subject: '1', requestedBy: 'test', isDryRun: false },
    )

    const target = withDatabase(crm, `${crm.database}_restored`)
    const options = {
      system,
      target,
      erasuresFrom: { monolith, pipeline: store },
      masterKeys: MASTER_KEYS,
      sink: null,
      addsToSink: false,
      from: root,
      tool: await findTool('pg_restore', programs),
      keys: null,
      signal,
    }
    await expect(planRestore({ ...options, masterKeys: null })).rejects.toMatchObject({ code: 'MASTER_KEY_MISSING' })
    const { erasures } = await restoreDatabase(options)
    expect(erasures).toEqual([{ place: 'crm', subjects: 1 }])
    const names = await withConnection(target, { applicationName: 'test' }, (client) =>
      client.query<{ full_name: string }>('SELECT full_name FROM contacts ORDER BY account'),
    )
    expect(names.rows.map((r) => r.full_name)).toEqual(['[erased]', 'PLANTED-name-stays'])
  }
  await servers.stop()
  await rm(root, { recursive: true })
})
