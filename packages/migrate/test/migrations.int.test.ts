import { connect } from '@sluice/postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrateServices, planUndo, readMigrationStatus, undoLast } from '../src/index.ts'
import { type ServiceFixture, createService } from './service-fixture.ts'

let clients: ServiceFixture
let documents: ServiceFixture
let tasks: ServiceFixture

const signal = new AbortController().signal
const run = (options: { readonly isDryRun?: boolean; readonly signal?: AbortSignal } = {}) =>
  migrateServices({ services: [clients, documents, tasks], isDryRun: false, signal, ...options })

/** Own tables of a service; those of Sluice are left out. */
async function tables(service: ServiceFixture): Promise<readonly string[]> {
  const rows = await service.query(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND relname IN ('clients', 'documents', 'categories', 'tasks') ORDER BY relname`,
  )
  return rows.map((row) => ('name' in row ? String(row.name) : ''))
}

beforeEach(async () => {
  ;[clients, documents, tasks] = await Promise.all([
    createService('cds_client'),
    createService('cds_document'),
    createService('cds_task'),
  ])
  await clients.write('0001_init', 'CREATE TABLE clients (id uuid PRIMARY KEY);', 'DROP TABLE clients;')
  await documents.write('0001_init', 'CREATE TABLE documents (id uuid PRIMARY KEY);', 'DROP TABLE documents;')
  await tasks.write('0001_init', 'CREATE TABLE tasks (id uuid PRIMARY KEY);', 'DROP TABLE tasks;')
})

afterEach(async () => {
  await Promise.all([clients.drop(), documents.drop(), tasks.drop()])
})

describe('up', () => {
  test('migrates every service, its own tables and those of Sluice, and does nothing the second time', async () => {
    const first = await run()
    expect(first.map((s) => [s.service, s.outcome])).toEqual([
      ['cds_client', 'migrated'],
      ['cds_document', 'migrated'],
      ['cds_task', 'migrated'],
    ])
    expect(first[0]!.migrations).toContain('0001_init')
    expect(await clients.query('SELECT FROM clients, processed_events')).toEqual([])
    expect((await run()).map((s) => [s.outcome, s.migrations])).toEqual(Array(3).fill(['up to date', []]))
  })

  test('a dry run says what would be applied, and applies nothing', async () => {
    const planned = await run({ isDryRun: true })
    expect(planned.map((s) => [s.outcome, s.migrations.at(-1)])).toEqual(Array(3).fill(['planned', '0001_init']))
    expect(await tables(clients)).toEqual([])
    expect(await clients.query(`SELECT FROM pg_class WHERE relname = 'service_migrations'`)).toEqual([])
  })

  test('stops at the first service that fails: those before it are done, those after it not begun, of the failed one nothing is half applied', async () => {
    await documents.write(
      '0002_categories',
      'CREATE TABLE categories (id int PRIMARY KEY); ALTER TABLE documents ADD COLUMN category int;',
    )
    await documents.write(
      '0003_broken',
      'ALTER TABLE documents ADD COLUMN owner int; ALTER TABLE documents ADD COLUMN size nothing;',
    )
    const outcomes = await run()
    expect(outcomes.map((s) => s.outcome)).toEqual(['migrated', 'failed', 'not begun'])
    expect(outcomes[1]!.error).toMatchObject({
      code: 'MIGRATION_FAILED',
      exitCode: 3,
      what: expect.stringContaining('0003_broken') as string,
      why: expect.stringContaining('type "nothing" does not exist') as string,
    })
    expect([await tables(clients), await tables(documents), await tables(tasks)]).toEqual([['clients'], [], []])
    expect((await readMigrationStatus([documents]))[0]!.applied).toEqual([])

    await documents.write('0003_broken', 'ALTER TABLE documents ADD COLUMN size int;')
    expect((await run()).map((s) => s.outcome)).toEqual(['up to date', 'migrated', 'migrated'])
  })

  test('what a refused row held is not told', async () => {
    await run()
    await clients.query(`INSERT INTO clients VALUES ('0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55')`)
    await clients.write('0002_check', `ALTER TABLE clients ADD CONSTRAINT known CHECK (id::text LIKE 'f%');`)
    const { error } = (await run())[0]!
    expect(error!.why).toContain('a row was refused, SQLSTATE 23514')
    expect(error!.message).not.toContain('0b0d6e3e')
  })

  test('a file that ends the transaction of all is refused before anything is applied', async () => {
    await clients.write('0002_cut', 'CREATE TABLE categories (id int); COMMIT; CREATE TABLE broken (id nothing);')
    expect((await run())[0]!.error).toMatchObject({ code: 'MIGRATION_FILE_INVALID', exitCode: 2 })
    expect(await tables(clients)).toEqual([])
  })

  test('after a signal no further service is begun', async () => {
    const stop = new AbortController()
    const told: unknown[] = []
    const outcomes = await migrateServices({
      services: [clients, documents, tasks],
      isDryRun: false,
      signal: stop.signal,
      onService: (service, done) => {
        told.push([service, done])
        if (service === 'cds_document') stop.abort()
      },
    })
    expect(outcomes.map((s) => s.outcome)).toEqual(['migrated', 'migrated', 'not begun'])
    expect(told).toEqual([
      [clients.service, 0],
      ['cds_document', 1],
    ])
    expect(await tables(tasks)).toEqual([])
  })
})

describe('status', () => {
  test('tells what is applied and when, what is pending, what has lost its file, and which database does not answer', async () => {
    await run()
    await clients.write('0002_more', 'SELECT 1;')
    await documents.forget('0001_init')
    await tasks.drop()
    const [first, second, third] = await readMigrationStatus([clients, documents, tasks])
    expect(first).toMatchObject({
      applied: [{ name: '0001_init' }],
      pending: ['0002_more'],
      missing: [],
      sluicePending: [],
      error: null,
    })
    const [{ now }] = (await clients.query('SELECT now()')) as readonly [{ now: Date }]
    expect(Math.abs(now.getTime() - first!.applied[0]!.appliedAt.getTime())).toBeLessThan(60_000)
    expect(second).toMatchObject({ missing: ['0001_init'] })
    expect(third!.error).toMatchObject({ code: 'POSTGRES_AUTH_FAILED', why: expect.stringContaining('does not exist') as string })
  })
})

describe('down', () => {
  beforeEach(async () => {
    await documents.write('0002_categories', 'CREATE TABLE categories (id int PRIMARY KEY);', 'DROP TABLE categories;')
    await run()
  })

  test('undoes exactly one migration, the last one; up applies it again', async () => {
    const plan = await planUndo(documents)
    expect(plan).toMatchObject({ name: '0002_categories', sql: 'DROP TABLE categories;' })
    await undoLast(documents, plan)
    expect(await tables(documents)).toEqual(['documents'])
    expect((await readMigrationStatus([documents]))[0]).toMatchObject({
      applied: [{ name: '0001_init' }],
      pending: ['0002_categories'],
    })
    expect((await run())[1]!.migrations).toEqual(['0002_categories'])
  })

  test('a plan that another one overtook is not carried out', async () => {
    const plan = await planUndo(documents)
    await documents.write('0003_next', 'ALTER TABLE categories ADD COLUMN name text;', 'ALTER TABLE categories DROP COLUMN name;')
    await run()
    await expect(undoLast(documents, plan)).rejects.toMatchObject({
      why: expect.stringContaining('0003_next was applied last') as string,
    })
    expect(await tables(documents)).toEqual(['categories', 'documents'])
  })

  test('one that fails leaves everything as it was, and remembers the migration', async () => {
    await documents.write('0002_categories', 'SELECT 1;', 'DROP TABLE documents; DROP TABLE nothing;')
    await expect(undoLast(documents, await planUndo(documents))).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      what: expect.stringContaining('0002_categories') as string,
      why: expect.stringContaining('nothing was undone') as string,
    })
    expect(await tables(documents)).toEqual(['categories', 'documents'])
    expect((await readMigrationStatus([documents]))[0]!.applied.at(-1)!.name).toBe('0002_categories')
  })

  test('one that would end its transaction half way is not begun', async () => {
    await documents.write('0002_categories', 'SELECT 1;', 'DROP TABLE documents; COMMIT; DROP TABLE nothing;')
    await expect(undoLast(documents, await planUndo(documents))).rejects.toMatchObject({
      code: 'MIGRATION_FILE_INVALID',
      what: expect.stringContaining('ends the transaction') as string,
    })
    expect(await tables(documents)).toEqual(['categories', 'documents'])
  })

  test('is refused while a projector is connected', async () => {
    const projector = await connect(documents.target, { applicationName: 'sluice projector cds_document' })
    try {
      await expect(undoLast(documents, await planUndo(documents))).rejects.toMatchObject({ code: 'SERVICE_IN_USE', exitCode: 3 })
      expect(await tables(documents)).toEqual(['categories', 'documents'])
    } finally {
      await projector.end()
    }
  })

  test('is refused where there is nothing to undo, no down section, or no file', async () => {
    await documents.write('0002_categories', 'CREATE TABLE categories (id int PRIMARY KEY);')
    await expect(planUndo(documents)).rejects.toMatchObject({
      code: 'MIGRATION_FILE_INVALID',
      why: expect.stringContaining('no section') as string,
    })
    await documents.forget('0002_categories')
    await expect(planUndo(documents)).rejects.toMatchObject({ why: expect.stringContaining('does not exist') as string })
    await undoLast(tasks, await planUndo(tasks))
    await expect(planUndo(tasks)).rejects.toMatchObject({ what: 'there is no migration of cds_task to undo' })
  })
})
