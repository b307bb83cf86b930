/** Services with databases and migration folders of their own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import type { ServiceDatabase } from '../src/index.ts'

export interface ServiceFixture extends ServiceDatabase {
  readonly url: string
  /** Writes or overwrites a migration file. */
  readonly write: (file: string, up: string, down?: string) => Promise<void>
  readonly forget: (file: string) => Promise<void>
  readonly query: (statement: string) => Promise<readonly object[]>
  readonly drop: () => Promise<void>
}

export async function createService(service: string): Promise<ServiceFixture> {
  const database: TestDatabase = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, `migrate ${service}`)
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-migrate-'))
  const target = postgresTarget(service, database.url)
  return {
    service,
    target,
    url: database.url,
    definition: { migrations: pathToFileURL(`${folder}/`), projections: [] },
    write: (file, up, down) =>
      writeFile(
        path.join(folder, `${file}.sql`),
        `-- Up Migration\n${up}\n${down === undefined ? '' : `-- Down Migration\n${down}\n`}`,
      ),
    forget: (file) => rm(path.join(folder, `${file}.sql`)),
    query: async (statement) => {
      const client = await connect(target, { applicationName: 'migrate test' })
      try {
        return (await client.query<object>(statement)).rows
      } finally {
        await client.end()
      }
    },
    drop: async () => {
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
