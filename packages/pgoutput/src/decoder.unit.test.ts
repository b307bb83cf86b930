import { isSluiceError } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPgoutputDecoder } from './decoder.ts'
import { type Relation, type Tuple, UNCHANGED } from './message.ts'

/** Writes messages as the PostgreSQL documentation lays them out, apart from the decoder. */
const bytes = {
  u8: (n: number) => Buffer.from([n]),
  i16: (n: number) => {
    const b = Buffer.alloc(2)
    b.writeInt16BE(n)
    return b
  },
  i32: (n: number) => {
    const b = Buffer.alloc(4)
    b.writeInt32BE(n | 0)
    return b
  },
  u64: (n: bigint) => {
    const b = Buffer.alloc(8)
    b.writeBigUInt64BE(BigInt.asUintN(64, n))
    return b
  },
  name: (text: string) => Buffer.concat([Buffer.from(text), Buffer.from([0])]),
  letter: (text: string) => Buffer.from(text, 'latin1'),
  tuple: (values: Tuple) =>
    Buffer.concat([
      bytes.i16(values.length),
      ...values.map((v) => {
        if (v === null) return bytes.letter('n')
        if (v === UNCHANGED) return bytes.letter('u')
        const text = Buffer.from(v)
        return Buffer.concat([bytes.letter('t'), bytes.i32(text.length), text])
      }),
    ]),
  relation: (relation: Relation) =>
    Buffer.concat([
      bytes.letter('R'),
      bytes.i32(relation.oid),
      bytes.name(relation.schema),
      bytes.name(relation.name),
      bytes.letter({ default: 'd', nothing: 'n', full: 'f', index: 'i' }[relation.replicaIdentity]),
      bytes.i16(relation.columns.length),
      ...relation.columns.map((c) =>
        Buffer.concat([bytes.u8(c.isIdentity ? 1 : 0), bytes.name(c.name), bytes.i32(c.typeOid), bytes.i32(c.typeModifier)]),
      ),
    ]),
}

const ORDERS: Relation = {
  oid: 4_000_000_000,
  schema: 'public',
  name: 'orders',
  replicaIdentity: 'default',
  columns: [
    { name: 'id', isIdentity: true, typeOid: 2950, typeModifier: -1 },
    { name: 'note', isIdentity: false, typeOid: 25, typeModifier: -1 },
    { name: 'price', isIdentity: false, typeOid: 1700, typeModifier: 917_510 },
  ],
}

function decoderOf(...relations: readonly Relation[]) {
  const decoder = createPgoutputDecoder()
  for (const relation of relations) decoder.decode(bytes.relation(relation))
  return decoder
}

function insertOf(relation: Relation, values: Tuple): Buffer {
  return Buffer.concat([bytes.letter('I'), bytes.i32(relation.oid), bytes.letter('N'), bytes.tuple(values)])
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

const SAMPLES = [
  bytes.relation(ORDERS),
  insertOf(ORDERS, ['a', 'grün €', '1.50']),
  Buffer.concat([bytes.letter('D'), bytes.i32(ORDERS.oid), bytes.letter('K'), bytes.tuple(['a', null, null])]),
  Buffer.concat([bytes.letter('T'), bytes.i32(1), bytes.u8(0), bytes.i32(ORDERS.oid)]),
  Buffer.concat([bytes.letter('B'), bytes.u64(1n), bytes.u64(1n), bytes.i32(1)]),
  Buffer.concat([bytes.letter('C'), bytes.u8(0), bytes.u64(7n), bytes.u64(9n), bytes.u64(1n)]),
  Buffer.concat([bytes.letter('M'), bytes.u8(1), bytes.u64(8n), bytes.name('p'), bytes.i32(2), bytes.letter('{}')]),
]

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

test('damaged bytes are either decoded or refused as SLU-2040, and never read past the message', () => {
  const damaged = fc.tuple(
    fc.constantFrom(...SAMPLES),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
  )
  fc.assert(
    fc.property(damaged, ([sample, changes]) => {
      // The message lies inside a larger buffer of secrets, as it does in pg's.
      const around = Buffer.alloc(sample.length + 4096, 'SECRET')
      sample.copy(around, 0)
      const message = around.subarray(0, sample.length)
      for (const [at, value] of changes) message[at % message.length] = value
      try {
        const decoded = decoderOf(ORDERS).decode(message)
        expect(JSON.stringify(decoded, (_k, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))).not.toContain('SECRET')
      } catch (error) {
        if (!isSluiceError(error, 'PROTOCOL_MESSAGE_INVALID')) throw error
      }
    }),
    { numRuns: 2000 },
  )
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
