import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type BackupTool, assertDumps, assertReads, assertRestores, findTool } from './backup-tool.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-tools-'))
afterAll(() => rmSync(folder, { recursive: true }))

function program(name: string, says: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\necho '${says}'\n`)
  chmodSync(join(folder, name), 0o755)
}

const tool = (name: BackupTool['name'], version: string): BackupTool => ({ name, file: name, version })

test('a program is found with its version', async () => {
  program('pg_dump', 'pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)')
  expect(await findTool('pg_dump', folder)).toEqual({ name: 'pg_dump', file: join(folder, 'pg_dump'), version: '15.18' })
})

test('one that is not there, or is something else, is refused', async () => {
  program('pg_restore', 'hello')
  await expect(findTool('pg_restore', folder)).rejects.toMatchObject({ code: 'BACKUP_TOOL_MISSING', exitCode: 3 })
  await expect(findTool('pg_dump', '/nowhere')).rejects.toMatchObject({
    code: 'BACKUP_TOOL_MISSING',
    why: 'there is no /nowhere/pg_dump',
  })
})

describe('versions that go together', () => {
  test("pg_dump is of the server's major version or newer", () => {
    expect(() => assertDumps(tool('pg_dump', '16.1'), 'crm', '16.14')).not.toThrow()
    expect(() => assertDumps(tool('pg_dump', '17.2'), 'crm', '16.14')).not.toThrow()
    expect(() => assertDumps(tool('pg_dump', '15.18'), 'crm', '16.14')).toThrow(/15\.18 can not back up crm.*PostgreSQL 16\.14/)
  })

  test('pg_restore is of the version of pg_dump or newer, and not newer than the server', () => {
    expect(() => assertReads(tool('pg_restore', '16.2'), '16.14')).not.toThrow()
    expect(() => assertReads(tool('pg_restore', '15.18'), '16.14')).toThrow(/made by pg_dump 16\.14/)
    const server = (version: string) => ({ display: 'h:5432/crm', server: version })
    expect(() => assertRestores(tool('pg_restore', '16.14'), '15.3', server('17.1'))).not.toThrow()
    expect(() => assertRestores(tool('pg_restore', '17.1'), '15.3', server('16.14'))).toThrow(
      /pg_restore 17\.1 .* PostgreSQL 16\.14/,
    )
    expect(() => assertRestores(tool('pg_restore', '16.1'), '17.3', server('16.14'))).toThrow(/PostgreSQL 17\.3.*older 16\.14/)
  })
})
