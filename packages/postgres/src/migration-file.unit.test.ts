import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { assertMigrationFiles, migrationNames, splitMigration } from './migration-file.ts'

async function folderWith(files: Readonly<Record<string, string>>): Promise<URL> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-migration-file-'))
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text)
  return pathToFileURL(`${folder}/`)
}

test('files are ordered by their numbers, however many digits these have', async () => {
  const folder = await folderWith({ '10_c.sql': '', '0002_b.sql': '', '1_a.sql': '', '.hidden.sql': '', 'notes.txt': '' })
  expect(await migrationNames(folder)).toEqual(['1_a', '0002_b', '10_c'])
})

describe('sections of a file', () => {
  test.each([
    ['-- Up Migration\nA;\n-- Down Migration\nB;\n', { up: 'A;', down: 'B;' }],
    ['-- Down Migration\nB;\n-- up migration\nA;\n', { up: 'A;', down: 'B;' }],
    ['-- Up Migration\nA;\n', { up: 'A;', down: null }],
    ['A;\n', { up: 'A;', down: null }],
  ])('%j', (text, sections) => {
    expect(splitMigration(text)).toEqual(sections)
  })
})

describe('a file that ends the transaction of all', () => {
  test.each([
    'CREATE TABLE a (id int); COMMIT;',
    'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT;',
    'begin;\nCREATE TABLE a (id int);',
    'ROLLBACK AND CHAIN;',
    '-- Down Migration\nEND;',
  ])('is refused: %s', async (sql) => {
    const folder = await folderWith({ '0001_a.sql': sql })
    await expect(assertMigrationFiles(folder, ['0001_a'])).rejects.toMatchObject({ code: 'MIGRATION_FILE_INVALID' })
  })

  test.each([
    "INSERT INTO a VALUES ('x; COMMIT;'); -- COMMIT;",
    'CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN RETURN; END; $body$;',
    'DO $$ BEGIN PERFORM 1; END $$;',
    'CREATE TABLE "commit" (begin_at int); ALTER TABLE a ADD COLUMN "; COMMIT" int;',
    '/* ; COMMIT; */ SELECT 1;',
    'CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; SELECT a; END; SELECT 1;',
  ])('is told from what only looks like it: %s', async (sql) => {
    const folder = await folderWith({ '0001_a.sql': `-- Up Migration\n${sql}` })
    await expect(assertMigrationFiles(folder, ['0001_a'])).resolves.toBeUndefined()
  })

  test('a file without a number has no place', async () => {
    const folder = await folderWith({ 'init.sql': 'SELECT 1;' })
    await expect(assertMigrationFiles(folder, ['init'])).rejects.toMatchObject({ code: 'MIGRATION_FILE_INVALID' })
  })
})
