import { isSluiceError } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ORDERS,
  SAMPLES,
  STREAM_STOP,
  bytes,
  insertOf,
  messageOf,
  streamAbort,
  streamCommit,
  streamStart,
  streamed,
} from '../test/message-bytes.ts'
import { createPgoutputDecoder } from './decoder.ts'
import { type Relation, type Tuple, UNCHANGED } from './message.ts'

function decoderOf(...relations: readonly Relation[]) {
  const decoder = createPgoutputDecoder()
  for (const relation of relations) decoder.decode(bytes.relation(relation))
  return decoder
}

test('begin and commit give the LSNs of the commit record and its time since 1970', () => {
  const decoder = createPgoutputDecoder()
  const micros = 1_700_000_000_123_456n
  const sent = micros - 946_684_800_000_000n
  expect(
    decoder.decode(Buffer.concat([bytes.letter('B'), bytes.u64(0xffff_0000_0000_0001n), bytes.u64(sent), bytes.i32(-1)])),
  ).toEqual({ kind: 'begin', commitLsn: 0xffff_0000_0000_0001n, committedAtMicros: micros, xid: 4_294_967_295 })
  expect(decoder.decode(Buffer.concat([bytes.letter('C'), bytes.u8(0), bytes.u64(7n), bytes.u64(9n), bytes.u64(sent)]))).toEqual({
    kind: 'commit',
    commitLsn: 7n,
    endLsn: 9n,
    committedAtMicros: micros,
  })
})

test('a relation comes with its columns, and an insert refers to it', () => {
  const decoder = createPgoutputDecoder()
  expect(decoder.decode(bytes.relation(ORDERS))).toEqual({ kind: 'relation', relation: ORDERS })
  expect(decoder.decode(insertOf(ORDERS, ['a', 'grün €', '1.50']))).toEqual({
    kind: 'insert',
    relation: ORDERS,
    after: ['a', 'grün €', '1.50'],
  })
})

test('an update tells what its old tuple holds, and an unchanged TOAST value is not a NULL', () => {
  const decoder = decoderOf(ORDERS)
  const head = Buffer.concat([bytes.letter('U'), bytes.i32(ORDERS.oid)])
  const after: Tuple = ['b', UNCHANGED, null]
  const tail = Buffer.concat([bytes.letter('N'), bytes.tuple(after)])
  expect(decoder.decode(Buffer.concat([head, tail]))).toMatchObject({ before: null, after })
  expect(decoder.decode(Buffer.concat([head, bytes.letter('K'), bytes.tuple(['a', null, null]), tail]))).toMatchObject({
    before: { holds: 'key', values: ['a', null, null] },
    after,
  })
  expect(decoder.decode(Buffer.concat([head, bytes.letter('O'), bytes.tuple(['a', 'x', '2']), tail]))).toMatchObject({
    before: { holds: 'row', values: ['a', 'x', '2'] },
    after,
  })
})

test('delete, truncate, origin, type and logical messages', () => {
  const decoder = decoderOf(ORDERS)
  expect(
    decoder.decode(Buffer.concat([bytes.letter('D'), bytes.i32(ORDERS.oid), bytes.letter('K'), bytes.tuple(['a', null, null])])),
  ).toEqual({ kind: 'delete', relation: ORDERS, before: { holds: 'key', values: ['a', null, null] } })
  expect(decoder.decode(Buffer.concat([bytes.letter('T'), bytes.i32(1), bytes.u8(3), bytes.i32(ORDERS.oid)]))).toEqual({
    kind: 'truncate',
    relations: [ORDERS],
    isCascade: true,
    restartsIdentity: true,
  })
  expect(decoder.decode(Buffer.concat([bytes.letter('O'), bytes.u64(5n), bytes.name('node_a')]))).toEqual({
    kind: 'origin',
    commitLsn: 5n,
    name: 'node_a',
  })
  expect(
    decoder.decode(Buffer.concat([bytes.letter('Y'), bytes.i32(16_400), bytes.name('public'), bytes.name('status')])),
  ).toEqual({ kind: 'type', oid: 16_400, schema: 'public', name: 'status' })
  expect(
    decoder.decode(
      Buffer.concat([
        bytes.letter('M'),
        bytes.u8(1),
        bytes.u64(8n),
        bytes.name('sluice.context'),
        bytes.i32(2),
        bytes.letter('{}'),
      ]),
    ),
  ).toEqual({ kind: 'message', isTransactional: true, lsn: 8n, prefix: 'sluice.context', content: Buffer.from('{}') })
})

test('values stay what they were when the buffer is written over', () => {
  const decoder = decoderOf(ORDERS)
  const insert = insertOf(ORDERS, ['id', 'kept', null])
  const message = Buffer.concat([bytes.letter('M'), bytes.u8(0), bytes.u64(1n), bytes.name('p'), bytes.i32(1), bytes.letter('x')])
  const decoded = [decoder.decode(insert), decoder.decode(message)]
  insert.fill(0xff)
  message.fill(0xff)
  expect(decoded).toEqual([
    { kind: 'insert', relation: ORDERS, after: ['id', 'kept', null] },
    { kind: 'message', isTransactional: false, lsn: 1n, prefix: 'p', content: Buffer.from('x') },
  ])
})

const anyValue = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }).filter((s) => s.isWellFormed()),
  fc.string({ maxLength: 300 }),
  fc.constant(null),
  fc.constant(UNCHANGED),
)

test('any tuple comes back as it was written', () => {
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 40 }), (values) => {
      const relation: Relation = {
        ...ORDERS,
        columns: values.map((_, i) => ({ name: `c${i}`, isIdentity: i === 0, typeOid: 25, typeModifier: -1 })),
      }
      expect(decoderOf(relation).decode(insertOf(relation, values))).toEqual({ kind: 'insert', relation, after: values })
    }),
  )
})

test('every message that is cut short, and every one with bytes left over, is refused as SLU-2040', () => {
  for (const sample of SAMPLES) {
    for (let length = 0; length < sample.length; length += 1) {
      expect(() => decoderOf(ORDERS).decode(sample.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'PROTOCOL_MESSAGE_INVALID' }) as Error,
      )
    }
    expect(() => decoderOf(ORDERS).decode(Buffer.concat([sample, Buffer.from([0])]))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MESSAGE_INVALID' }) as Error,
    )
  }
})

test('a text that is not UTF-8 is refused, and a replacement character that was written is kept', () => {
  const raw = Buffer.concat([
    bytes.letter('I'),
    bytes.i32(ORDERS.oid),
    bytes.letter('N'),
    bytes.i16(3),
    bytes.letter('nn'),
    bytes.letter('t'),
    bytes.i32(2),
    Buffer.from([0xc3, 0x28]),
  ])
  expect(() => decoderOf(ORDERS).decode(raw)).toThrow('not UTF-8')
  expect(decoderOf(ORDERS).decode(insertOf(ORDERS, ['\ufffd', null, null]))).toMatchObject({ after: ['\ufffd', null, null] })
})

test('a row of a relation that was not described is refused', () => {
  expect(() => createPgoutputDecoder().decode(insertOf(ORDERS, ['a', null, null]))).toThrow('was not described')
})

test('the error tells the kind and the place, and nothing of the row', () => {
  const cut = insertOf(ORDERS, ['a', 'planted-secret', '1']).subarray(0, 30)
  try {
    decoderOf(ORDERS).decode(cut)
    expect.unreachable()
  } catch (error) {
    expect(isSluiceError(error) && error.why).toMatch(/^it ends \d+ bytes too early \(at byte \d+ of 30, kind 0x49\)$/)
  }
})

test('a stretch of a transaction in progress is told with its xids and is not decoded before the transaction committed', () => {
  const decoder = createPgoutputDecoder()
  const relation = streamed(6, bytes.relation(ORDERS))
  const insert = streamed(6, insertOf(ORDERS, ['a', null, null]))
  const context = streamed(5, messageOf('sluice.context', '{}'))
  expect(decoder.decode(streamStart(5, true))).toEqual({ kind: 'stream-start', xid: 5, isFirst: true })
  expect(decoder.decode(Buffer.concat([bytes.letter('O'), bytes.u64(0n), bytes.name('node_a')]))).toMatchObject({
    kind: 'origin',
  })
  expect(decoder.decode(relation)).toEqual({ kind: 'streamed', xid: 6, prefix: null })
  expect(decoder.decode(insert)).toEqual({ kind: 'streamed', xid: 6, prefix: null })
  expect(decoder.decode(context)).toEqual({ kind: 'streamed', xid: 5, prefix: 'sluice.context' })
  expect(decoder.decode(STREAM_STOP)).toEqual({ kind: 'stream-stop' })
  expect(decoder.decode(streamStart(5, false))).toEqual({ kind: 'stream-start', xid: 5, isFirst: false })
  decoder.decode(STREAM_STOP)
  expect(decoder.decode(streamCommit(5))).toEqual({
    kind: 'stream-commit',
    xid: 5,
    commitLsn: 7n,
    endLsn: 9n,
    committedAtMicros: 946_684_800_000_001n,
  })
  expect(decoder.decodeStreamed(relation)).toEqual({ kind: 'relation', relation: ORDERS })
  expect(decoder.decodeStreamed(insert)).toEqual({ kind: 'insert', relation: ORDERS, after: ['a', null, null] })
  expect(decoder.decodeStreamed(context)).toMatchObject({ kind: 'message', isTransactional: true, prefix: 'sluice.context' })
})

test('a relation that was described in a rolled back transaction is not known, and a known one is not replaced by it', () => {
  const decoder = decoderOf(ORDERS)
  const added: Relation = { ...ORDERS, columns: [...ORDERS.columns, { ...ORDERS.columns[1]!, name: 'extra' }] }
  decoder.decode(streamStart(5, true))
  decoder.decode(streamed(5, bytes.relation(added)))
  decoder.decode(streamed(5, insertOf(added, ['a', null, null, 'x'])))
  decoder.decode(STREAM_STOP)
  expect(decoder.decode(streamAbort(5, 5))).toEqual({
    kind: 'stream-abort',
    xid: 5,
    subXid: 5,
    abortLsn: null,
    abortedAtMicros: null,
  })
  expect(decoder.decode(insertOf(ORDERS, ['b', null, null]))).toMatchObject({ relation: ORDERS, after: ['b', null, null] })
})

test('an abort of version 4 tells its place and time where it was asked for', () => {
  const abort = Buffer.concat([streamAbort(5, 6), bytes.u64(8n), bytes.u64(1n)])
  expect(createPgoutputDecoder().decode(abort)).toEqual({
    kind: 'stream-abort',
    xid: 5,
    subXid: 6,
    abortLsn: 8n,
    abortedAtMicros: 946_684_800_000_001n,
  })
})

test('prepared transactions come as plain values', () => {
  const decoded = SAMPLES.map((sample) => decoderOf(ORDERS).decode(sample)).filter((m) => 'gid' in m)
  const since1970 = 946_684_800_000_001n
  const named = { xid: 5, gid: 'order 17' }
  expect(decoded).toEqual([
    { kind: 'begin-prepare', prepareLsn: 7n, endLsn: 9n, preparedAtMicros: since1970, ...named },
    { kind: 'prepare', prepareLsn: 7n, endLsn: 9n, preparedAtMicros: since1970, ...named },
    { kind: 'stream-prepare', prepareLsn: 7n, endLsn: 9n, preparedAtMicros: since1970, ...named },
    { kind: 'commit-prepared', commitLsn: 7n, endLsn: 9n, committedAtMicros: since1970, ...named },
    {
      kind: 'rollback-prepared',
      prepareEndLsn: 6n,
      endLsn: 7n,
      preparedAtMicros: 946_684_800_000_009n,
      rolledBackAtMicros: since1970,
      ...named,
    },
  ])
})

test('an unknown kind is given whole, inside of a stretch and outside; a known one out of its place is refused', () => {
  const decoder = createPgoutputDecoder()
  const unknown = Buffer.from('~what is this')
  expect(decoder.decode(unknown)).toEqual({ kind: 'unknown', bytes: unknown })
  expect(() => decoder.decode(STREAM_STOP)).toThrow('no streamed transaction began')
  decoder.decode(streamStart(5, true))
  expect(decoder.decode(unknown)).toEqual({ kind: 'unknown', bytes: unknown })
  expect(decoder.decodeStreamed(unknown)).toEqual({ kind: 'unknown', bytes: unknown })
  expect(() => decoder.decode(streamStart(6, true))).toThrow('inside of a streamed transaction')
  expect(() => decoder.decode(streamCommit(5))).toThrow('inside of a streamed transaction')
})
