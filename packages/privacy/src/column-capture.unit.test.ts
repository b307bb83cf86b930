import { createHmac, createSecretKey, hash as digest, randomBytes } from 'node:crypto'
import { isSluiceError } from '@sluice/core'
import { bigint, drop, encrypt, hash, mask, table, text, topic } from '@sluice/system'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openCheckpointKey, sealCheckpointKey } from './checkpoint-key.ts'
import { columnCapture, maskText } from './column-capture.ts'
import { parseMasterKeys } from './master-keys.ts'
import { erasedValue, openValue, parseCapturedValue, sealValue } from './sealed-value.ts'
import { subjectIdOf } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'
import { hmacBlocks, textHash } from './text-hash.ts'

const key = () => createSecretKey(randomBytes(32))
const keys: SystemKeys = { system: 'shop', hash: key(), subject: key(), checkpoint: key() }
const people = table('people', {
  aggregate: 'Person',
  key: ['id'],
  topic: topic('shop.people'),
  columns: { id: text(), account: bigint(), name: text(), card: text(), iban: text(), city: text() },
  privacy: { id: hash(), name: encrypt({ subject: 'account' }), card: mask('**', { keepLast: 2 }), iban: drop() },
})
const anyText = fc.string({ unit: 'grapheme' }).filter((t) => !t.includes('\0'))

test('a column without a rule is captured in the clear', () => {
  expect(columnCapture(people, 'city', keys)).toBeNull()
})

test('a hash is the HMAC of the text: equal for equal texts, another with another key', () => {
  const capture = columnCapture(people, 'id', keys)
  if (capture?.kind !== 'text') throw new Error('a hash follows from the text')
  expect(capture.capture('größe')).toBe(createHmac('sha256', keys.hash).update('größe').digest('hex'))
  expect(capture.capture('a')).toBe(capture.capture('a'))
  expect(capture.capture('a')).not.toBe(textHash(key(), 'a'))
})

test('the blocks that SQL is given make the same HMAC', () => {
  const { inner, outer } = hmacBlocks(keys.hash)
  const sha = (...parts: readonly Buffer[]): Buffer => digest('sha256', Buffer.concat(parts), 'buffer')
  expect(sha(outer, sha(inner, Buffer.from('text'))).toString('hex')).toBe(textHash(keys.hash, 'text'))
})

test.each([
  ['1234', '**34'],
  ['12', '**'],
  ['', '**'],
  ['a😀b😀', '**b😀'],
])('the mask of %j is %j: never a whole value', (value, masked) => {
  expect(maskText({ kind: 'mask', placeholder: '**', keepLast: 2 }, value)).toBe(masked)
  expect(maskText({ kind: 'mask', placeholder: 'x', keepLast: 0 }, value)).toBe('x')
})

test('a sealed value opens with its key, in its column, and says nothing of its text', () => {
  fc.assert(
    fc.property(anyText, (value) => {
      const subject = key()
      const id = subjectIdOf(keys, 'person', '7')
      const sealed = sealValue(subject, id, 'public.people.name', value)
      const parsed = parseCapturedValue(sealed, 'public.people.name')
      if (parsed.kind !== 'sealed') throw new Error('it is sealed')
      expect(parsed.subjectId).toBe(id)
      expect(openValue(subject, parsed.bytes, 'public.people.name')).toBe(value)
      expect(() => openValue(subject, parsed.bytes, 'public.people.card')).toThrow(/SLU-8002/)
      expect(() => openValue(key(), parsed.bytes, 'public.people.name')).toThrow(/SLU-8002/)
      // The same value again is another text.
      expect(sealValue(subject, id, 'public.people.name', value)).not.toBe(sealed)
    }),
    { numRuns: 50 },
  )
})

test('a changed byte of a sealed value is noticed', () => {
  const subject = key()
  const parsed = parseCapturedValue(sealValue(subject, subjectIdOf(keys, 'person', '7'), 'p', 'value'), 'p')
  if (parsed.kind !== 'sealed') throw new Error('it is sealed')
  for (let at = 0; at < parsed.bytes.length; at++) {
    const changed = Buffer.from(parsed.bytes)
    changed[at]! ^= 1
    expect(() => openValue(subject, changed, 'p')).toThrow(/SLU-8002/)
  }
})

test('a value is sealed, erased, or refused: a clear text is neither', () => {
  const id = subjectIdOf(keys, 'person', '7')
  expect(parseCapturedValue(erasedValue(id), 'p')).toEqual({ kind: 'erased', subjectId: id })
  for (const other of ['clear', '', 'sluice:erased:1:', 'sluice:sealed:1:abc', `sluice:erased:1:${id}0`]) {
    expect(() => parseCapturedValue(other, 'p')).toThrow(/SLU-8002/)
  }
  // The message does not repeat what it met.
  expect(() => parseCapturedValue('PLANTED', 'p')).toThrow(/^((?!PLANTED).)*$/s)
})

test('ids of subjects differ by kind, and by the key of the system', () => {
  const ids = [
    subjectIdOf(keys, 'person', '7'),
    subjectIdOf(keys, 'supplier', '7'),
    subjectIdOf({ ...keys, subject: key() }, 'person', '7'),
  ]
  expect(new Set(ids).size).toBe(3)
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/)
})

test('an unsealed token can be no part of JSON text or of a value of PostgreSQL', () => {
  const capture = columnCapture(people, 'name', keys)
  if (capture?.kind !== 'token') throw new Error('it waits for a key')
  expect(capture.token('Ada "x"', '7').split('\0')).toEqual(['', 'public.people.name', 'person', '7', 'Ada "x"', ''])
  expect(() => {
    JSON.parse(`{"name":${capture.token('Ada', '7')}}`)
  }).toThrow()
})

test('a checkpoint opens to the key that was sealed, and one key has one sealed form', () => {
  fc.assert(
    fc.property(fc.array(anyText, { minLength: 1, maxLength: 3 }), (primaryKey) => {
      const sealed = sealCheckpointKey(keys, people, primaryKey)
      expect(openCheckpointKey(keys, people, sealed)).toEqual(primaryKey)
      expect(sealCheckpointKey(keys, people, primaryKey)).toEqual(sealed)
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['', 'it is empty'],
  ['abc', 'entry 1 does not begin with an id and a colon'],
  ['k:c2hvcnQ=', 'key "k" has 5 bytes, it must have 32'],
  [`k:${Buffer.alloc(32).toString('base64')},k:${Buffer.alloc(32, 1).toString('base64')}`, 'an id stands in it twice'],
])('master keys are refused with their place, without the text: %j', (setting, why) => {
  expect(() => parseMasterKeys(setting, 'SLUICE_MASTER_KEY')).toThrow(
    expect.toSatisfy((e: unknown) => isSluiceError(e, 'CONFIG_INVALID') && e.why === why && !e.message.includes('c2hvcnQ')),
  )
})
