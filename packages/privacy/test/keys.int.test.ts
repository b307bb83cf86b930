import { randomBytes } from 'node:crypto'
import { isSluiceError } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, postgresTarget } from '@sluice/postgres'
import { migrateStore } from '@sluice/store'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KeyConnection } from '../src/key-access.ts'
import { countKeysToRotate, rotateKeys } from '../src/key-rotation.ts'
import { parseMasterKeys } from '../src/master-keys.ts'
import { SubjectKeys } from '../src/subject-keys.ts'
import { readSystemKeys } from '../src/system-secret.ts'

const [first, second] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
const OLD = parseMasterKeys(`old:${first}`, 'the test')
const BOTH = parseMasterKeys(`new:${second},old:${first}`, 'the test')
const NEW = parseMasterKeys(`new:${second}`, 'the test')

let target: PostgresTarget
let client: pg.Client
let drop: () => Promise<void>

beforeAll(async () => {
  const database = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'privacy keys')
  target = postgresTarget('pipeline', database.url)
  await migrateStore(target)
  client = await connect(target, { applicationName: 'test' })
  drop = () => database.drop()
})
afterAll(async () => {
  await client.end()
  await drop()
})

const exported = (keys: ReadonlyMap<string, { export(): Buffer } | null>): readonly (readonly [string, string | null])[] =>
  [...keys].map(([id, key]) => [id, key === null ? null : key.export().toString('hex')] as const).sort()

test('a subject gets one key, whoever asks first, and none once it is erased', async () => {
  const ids = ['a', 'b', 'c']
  const other = await connect(target, { applicationName: 'test' })
  const [one, two] = await Promise.all([
    new SubjectKeys('keys', OLD).getOrMake(client, ids),
    new SubjectKeys('keys', OLD).getOrMake(other, ids.toReversed()),
  ])
  await other.end()
  expect(exported(one)).toEqual(exported(two))
  expect(new Set(exported(one).map(([, key]) => key)).size).toBe(3)
  const cached = new SubjectKeys('keys', OLD)
  await cached.getOrMake(client, ids)
  await client.query(`UPDATE subject_keys SET wrapped_key = NULL, destroyed_at = now() WHERE subject_id = 'b'`)
  // Also one that remembers keys asks each time who is erased.
  expect((await cached.getOrMake(client, ids)).get('b')).toBeNull()
  expect((await cached.read(client, ['b', 'unknown'])).has('unknown')).toBe(false)
})

test('the master key rotates: every key is wrapped anew, none changes, an erased one stays erased', async () => {
  const system = 'rotated'
  const ids = Array.from({ length: 2_500 }, (_, i) => `s${i}`)
  const secret = (await readSystemKeys(client, system, OLD, { mayMake: true }))!
  const before = await new SubjectKeys(system, OLD).getOrMake(client, ids)
  await client.query(
    `UPDATE subject_keys SET wrapped_key = NULL, destroyed_at = now() WHERE system_name = $1 AND subject_id = 's7'`,
    [system],
  )
  await expect(new SubjectKeys(system, NEW).read(client, ids)).rejects.toSatisfy((e) => isSluiceError(e, 'MASTER_KEY_MISSING'))
  const rotation = { system, pipeline: target, master: BOTH, signal: new AbortController().signal }
  // The secret and every key but the destroyed one; again there is nothing left to do.
  expect(await countKeysToRotate(rotation)).toBe(2_500)
  expect(await rotateKeys(rotation)).toBe(2_500)
  expect([await countKeysToRotate(rotation), await rotateKeys(rotation)]).toEqual([0, 0])
  const after = await new SubjectKeys(system, NEW).read(client, ids)
  expect(exported(after)).toEqual(exported(new Map([...before, ['s7', null]])))
  const again = (await readSystemKeys(client, system, NEW, { mayMake: false }))!
  expect(again.hash.equals(secret.hash)).toBe(true)
})

test('a wrapped key opens in its own row only', async () => {
  const keys = new SubjectKeys('moved', OLD)
  await keys.getOrMake(client, ['one', 'two'])
  await client.query(
    `UPDATE subject_keys k SET wrapped_key = o.wrapped_key FROM subject_keys o
     WHERE k.system_name = 'moved' AND k.subject_id = 'one' AND o.system_name = 'moved' AND o.subject_id = 'two'`,
  )
  await expect(keys.read(client, ['one'])).rejects.toSatisfy((e) => isSluiceError(e, 'SEALED_VALUE_DAMAGED'))
})

test('a projector may read keys in the pipeline database, and nothing else', async () => {
  await new SubjectKeys('read', OLD).getOrMake(client, ['a'])
  // As a database is that was made safe by the book.
  await client.query('REVOKE USAGE ON SCHEMA public FROM PUBLIC')
  const connection = new KeyConnection(target, 'test')
  expect(await connection.use((c) => new SubjectKeys('read', OLD).read(c, ['a']))).toHaveProperty('size', 1)
  await expect(connection.use((c) => c.query('SELECT FROM event_store'))).rejects.toSatisfy((e) =>
    isSluiceError(e, 'POSTGRES_PRIVILEGE_MISSING'),
  )
  await expect(connection.use((c) => c.query('DELETE FROM subject_keys'))).rejects.toThrow()
  await connection.close()
})
