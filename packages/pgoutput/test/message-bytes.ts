import { type Relation, type Tuple, UNCHANGED } from '@sluice/pgoutput'

/** Writes messages as the PostgreSQL documentation lays them out, apart from the decoder. */
export const bytes = {
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
  /** Without an xid, as it stands outside of a stretch. */
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

export const ORDERS: Relation = {
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

export function insertOf(relation: Relation, values: Tuple): Buffer {
  return Buffer.concat([bytes.letter('I'), bytes.i32(relation.oid), bytes.letter('N'), bytes.tuple(values)])
}

/** The message as it stands in a stretch of a streamed transaction. */
export function streamed(xid: number, message: Buffer): Buffer {
  return Buffer.concat([message.subarray(0, 1), bytes.i32(xid), message.subarray(1)])
}

export function messageOf(prefix: string, content: string): Buffer {
  const text = Buffer.from(content)
  return Buffer.concat([bytes.letter('M'), bytes.u8(1), bytes.u64(8n), bytes.name(prefix), bytes.i32(text.length), text])
}

export function streamStart(xid: number, isFirst: boolean): Buffer {
  return Buffer.concat([bytes.letter('S'), bytes.i32(xid), bytes.u8(isFirst ? 1 : 0)])
}

export const STREAM_STOP = bytes.letter('E')

const LSNS_AND_TIME = [bytes.u64(7n), bytes.u64(9n), bytes.u64(1n)]

export function streamCommit(xid: number): Buffer {
  return Buffer.concat([bytes.letter('c'), bytes.i32(xid), bytes.u8(0), ...LSNS_AND_TIME])
}

export function streamAbort(xid: number, subXid: number): Buffer {
  return Buffer.concat([bytes.letter('A'), bytes.i32(xid), bytes.i32(subXid)])
}

const PREPARED = [...LSNS_AND_TIME, bytes.i32(5), bytes.name('order 17')]

/** A message of every kind that stands outside of a stretch. */
export const SAMPLES: readonly Buffer[] = [
  bytes.relation(ORDERS),
  insertOf(ORDERS, ['a', 'grün €', '1.50']),
  Buffer.concat([bytes.letter('U'), bytes.i32(ORDERS.oid), bytes.letter('N'), bytes.tuple(['b', UNCHANGED, null])]),
  Buffer.concat([
    bytes.letter('U'),
    bytes.i32(ORDERS.oid),
    bytes.letter('O'),
    bytes.tuple(['a', 'x', '2']),
    bytes.letter('N'),
    bytes.tuple(['b', 'y', null]),
  ]),
  Buffer.concat([bytes.letter('D'), bytes.i32(ORDERS.oid), bytes.letter('K'), bytes.tuple(['a', null, null])]),
  Buffer.concat([bytes.letter('T'), bytes.i32(1), bytes.u8(0), bytes.i32(ORDERS.oid)]),
  Buffer.concat([bytes.letter('B'), bytes.u64(1n), bytes.u64(1n), bytes.i32(1)]),
  Buffer.concat([bytes.letter('C'), bytes.u8(0), ...LSNS_AND_TIME]),
  messageOf('sluice.context', '{}'),
  Buffer.concat([bytes.letter('O'), bytes.u64(5n), bytes.name('node_a')]),
  Buffer.concat([bytes.letter('Y'), bytes.i32(16_400), bytes.name('public'), bytes.name('status')]),
  streamCommit(5),
  Buffer.concat([bytes.letter('b'), ...PREPARED]),
  Buffer.concat([bytes.letter('P'), bytes.u8(0), ...PREPARED]),
  Buffer.concat([bytes.letter('p'), bytes.u8(0), ...PREPARED]),
  Buffer.concat([bytes.letter('K'), bytes.u8(0), ...PREPARED]),
  Buffer.concat([bytes.letter('r'), bytes.u8(0), bytes.u64(6n), ...PREPARED]),
]
