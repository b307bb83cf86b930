/**
 * Decodes pgoutput messages. Everything is turned into values before `decode` returns: pg uses the bytes again.
 *
 * States: between stretches → (stream start) in a stretch of a transaction in progress → (stream stop) between stretches. In a
 * stretch every message has the xid of its sub-transaction in front of its contents.
 *
 * D1  The decoder keeps the relations that PostgreSQL described, by oid, in the order in which their transactions committed: a
 *     description in a stretch counts when `decodeStreamed` meets it, and never if it was rolled back. PostgreSQL keeps the
 *     same account (`cleanup_rel_sync_cache` of its pgoutput.c): after a rollback, also of a sub-transaction, it describes the
 *     relations again.
 * D2  A connection begins with no relations and outside of a stretch; use a new decoder for each.
 *
 * https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
 */
import { ByteReader } from './byte-reader.ts'
import {
  type OldTuple,
  type PgoutputMessage,
  type PrepareMessage,
  type Relation,
  type RelationColumn,
  type TransactionMessage,
  type Tuple,
  UNCHANGED,
} from './message.ts'

/** PostgreSQL counts timestamps from 2000-01-01 00:00 UTC. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n

/** Kinds that stand in a stretch of a streamed transaction, with an xid in front. */
const STREAMED_KINDS = 'IUDTRYM'
/** All kinds of versions 1 to 4. */
const KNOWN_KINDS = `${STREAMED_KINDS}BCOSEcAbPpKr`

const REPLICA_IDENTITIES = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const

const [TEXT, BINARY, NULL, TOAST] = ['t', 'b', 'n', 'u'].map((c) => c.charCodeAt(0)) as [number, number, number, number]
const [NEW, KEY, OLD] = ['N', 'K', 'O'].map((c) => c.charCodeAt(0)) as [number, number, number]

export interface PgoutputDecoder {
  /**
   * @param bytes One message, without the XLogData header.
   * @throws SluiceError SLU-2040 if it is damaged, cut short, or out of its place.
   */
  decode(bytes: Buffer): PgoutputMessage
  /**
   * Decodes what `decode` gave as `streamed`, or as `unknown` in a stretch, once its transaction has committed: in the order it
   * came, without the parts that were rolled back.
   *
   * @throws SluiceError SLU-2040
   */
  decodeStreamed(bytes: Buffer): TransactionMessage
}

export function createPgoutputDecoder(): PgoutputDecoder {
  return new Decoder()
}

class Decoder implements PgoutputDecoder {
  readonly #reader = new ByteReader()
  readonly #relations = new Map<number, Relation>()
  #isInStretch = false

  decode(bytes: Buffer): PgoutputMessage {
    const reader = this.#reader
    reader.open(bytes)
    const kind = String.fromCharCode(reader.uint8())
    const message = this.#isInStretch ? this.#inStretch(kind, bytes) : this.#outside(kind, bytes)
    reader.close()
    return message
  }

  decodeStreamed(bytes: Buffer): TransactionMessage {
    const reader = this.#reader
    reader.open(bytes)
    const kind = String.fromCharCode(reader.uint8())
    if (STREAMED_KINDS.includes(kind)) reader.uint32() // xid
    const message = this.#contents(kind) ?? this.#unknown(bytes)
    reader.close()
    return message
  }

  /** In a stretch the contents are left for `decodeStreamed`. */
  #inStretch(kind: string, bytes: Buffer): PgoutputMessage {
    const reader = this.#reader
    if (STREAMED_KINDS.includes(kind)) {
      const xid = reader.uint32()
      const prefix = kind === 'M' ? this.#prefix() : null
      reader.skipRest()
      return { kind: 'streamed', xid, prefix }
    }
    switch (kind) {
      case 'E':
        this.#isInStretch = false
        return { kind: 'stream-stop' }
      case 'O':
        return this.#origin()
      default:
        if (KNOWN_KINDS.includes(kind)) throw reader.invalid('it stands inside of a streamed transaction')
        return this.#unknown(bytes)
    }
  }

  #outside(kind: string, bytes: Buffer): PgoutputMessage {
    const contents = this.#contents(kind)
    if (contents) return contents
    switch (kind) {
      case 'B':
        return this.#begin()
      case 'C':
        return this.#commit()
      case 'O':
        return this.#origin()
      case 'S':
        return this.#streamStart()
      case 'c':
        return this.#streamCommit()
      case 'A':
        return this.#streamAbort()
      case 'E':
        throw this.#reader.invalid('no streamed transaction began before')
      case 'b':
        return { kind: 'begin-prepare', ...this.#prepared() }
      case 'P':
        this.#reader.uint8() // flags, unused
        return { kind: 'prepare', ...this.#prepared() }
      case 'p':
        this.#reader.uint8() // flags, unused
        return { kind: 'stream-prepare', ...this.#prepared() }
      case 'K':
        return this.#commitPrepared()
      case 'r':
        return this.#rollbackPrepared()
      default:
        return this.#unknown(bytes)
    }
  }

  /** What may stand inside of a transaction, after its xid if it is streamed; null for all others. */
  #contents(kind: string): TransactionMessage | null {
    switch (kind) {
      case 'I':
        return this.#insert()
      case 'U':
        return this.#update()
      case 'D':
        return this.#delete()
      case 'R':
        return this.#relation()
      case 'T':
        return this.#truncate()
      case 'M':
        return this.#logicalMessage()
      case 'Y':
        return this.#type()
      default:
        return null
    }
  }

  #unknown(bytes: Buffer): TransactionMessage {
    this.#reader.skipRest()
    return { kind: 'unknown', bytes: Buffer.from(bytes) }
  }

  #origin(): TransactionMessage {
    return { kind: 'origin', commitLsn: this.#reader.uint64(), name: this.#reader.zeroEnded() }
  }

  #type(): TransactionMessage {
    const reader = this.#reader
    // An empty schema name stands for pg_catalog.
    return { kind: 'type', oid: reader.uint32(), schema: reader.zeroEnded() || 'pg_catalog', name: reader.zeroEnded() }
  }

  #streamStart(): PgoutputMessage {
    const reader = this.#reader
    const message: PgoutputMessage = { kind: 'stream-start', xid: reader.uint32(), isFirst: reader.uint8() === 1 }
    this.#isInStretch = true
    return message
  }

  #streamCommit(): PgoutputMessage {
    const reader = this.#reader
    const xid = reader.uint32()
    reader.uint8() // flags, unused
    return { kind: 'stream-commit', xid, commitLsn: reader.uint64(), endLsn: reader.uint64(), committedAtMicros: this.#time() }
  }

  #streamAbort(): PgoutputMessage {
    const reader = this.#reader
    const [xid, subXid] = [reader.uint32(), reader.uint32()]
    const isPlaced = reader.left > 0
    return {
      kind: 'stream-abort',
      xid,
      subXid,
      abortLsn: isPlaced ? reader.uint64() : null,
      abortedAtMicros: isPlaced ? this.#time() : null,
    }
  }

  #prepared(): Omit<PrepareMessage, 'kind'> {
    const reader = this.#reader
    return {
      prepareLsn: reader.uint64(),
      endLsn: reader.uint64(),
      preparedAtMicros: this.#time(),
      xid: reader.uint32(),
      gid: reader.zeroEnded(),
    }
  }

  #commitPrepared(): PgoutputMessage {
    const reader = this.#reader
    reader.uint8() // flags, unused
    return {
      kind: 'commit-prepared',
      commitLsn: reader.uint64(),
      endLsn: reader.uint64(),
      committedAtMicros: this.#time(),
      xid: reader.uint32(),
      gid: reader.zeroEnded(),
    }
  }

  #rollbackPrepared(): PgoutputMessage {
    const reader = this.#reader
    reader.uint8() // flags, unused
    return {
      kind: 'rollback-prepared',
      prepareEndLsn: reader.uint64(),
      endLsn: reader.uint64(),
      preparedAtMicros: this.#time(),
      rolledBackAtMicros: this.#time(),
      xid: reader.uint32(),
      gid: reader.zeroEnded(),
    }
  }

  #begin(): PgoutputMessage {
    const reader = this.#reader
    return { kind: 'begin', commitLsn: reader.uint64(), committedAtMicros: this.#time(), xid: reader.uint32() }
  }

  #commit(): PgoutputMessage {
    const reader = this.#reader
    reader.uint8() // flags, unused
    return { kind: 'commit', commitLsn: reader.uint64(), endLsn: reader.uint64(), committedAtMicros: this.#time() }
  }

  #insert(): TransactionMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    this.#expect(NEW)
    return { kind: 'insert', relation, after: this.#tuple(relation) }
  }

  #update(): TransactionMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    const part = this.#reader.uint8()
    if (part === NEW) return { kind: 'update', relation, before: null, after: this.#tuple(relation) }
    const before = this.#oldTuple(relation, part)
    this.#expect(NEW)
    return { kind: 'update', relation, before, after: this.#tuple(relation) }
  }

  #delete(): TransactionMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    return { kind: 'delete', relation, before: this.#oldTuple(relation, this.#reader.uint8()) }
  }

  #truncate(): TransactionMessage {
    const count = this.#count(this.#reader.int32())
    const options = this.#reader.uint8()
    const relations: Relation[] = []
    for (let i = 0; i < count; i += 1) relations.push(this.#known(this.#reader.uint32()))
    return { kind: 'truncate', relations, isCascade: (options & 1) !== 0, restartsIdentity: (options & 2) !== 0 }
  }

  #logicalMessage(): TransactionMessage {
    const reader = this.#reader
    const flags = reader.uint8()
    const lsn = reader.uint64()
    const prefix = reader.zeroEnded()
    return { kind: 'message', isTransactional: (flags & 1) !== 0, lsn, prefix, content: reader.copy(reader.int32()) }
  }

  /** The prefix alone, for a message whose contents are decoded later. */
  #prefix(): string {
    this.#reader.uint8() // flags
    this.#reader.uint64() // LSN
    return this.#reader.zeroEnded()
  }

  #relation(): TransactionMessage {
    const reader = this.#reader
    const oid = reader.uint32()
    // An empty schema name stands for pg_catalog.
    const schema = reader.zeroEnded() || 'pg_catalog'
    const name = reader.zeroEnded()
    const replicaIdentity = this.#replicaIdentity(reader.uint8())
    const count = this.#count(reader.int16())
    const columns: RelationColumn[] = []
    for (let i = 0; i < count; i += 1) {
      const isIdentity = (reader.uint8() & 1) !== 0
      columns.push({ isIdentity, name: reader.zeroEnded(), typeOid: reader.uint32(), typeModifier: reader.int32() })
    }
    const relation: Relation = { oid, schema, name, replicaIdentity, columns }
    this.#relations.set(oid, relation)
    return { kind: 'relation', relation }
  }

  #oldTuple(relation: Relation, part: number): OldTuple {
    if (part === KEY) return { holds: 'key', values: this.#tuple(relation) }
    if (part === OLD) return { holds: 'row', values: this.#tuple(relation) }
    throw this.#reader.invalid('an old tuple begins with neither K nor O')
  }

  #tuple(relation: Relation): Tuple {
    const reader = this.#reader
    const count = reader.int16()
    if (count !== relation.columns.length) {
      throw reader.invalid(`a tuple has ${count} columns where its relation has ${relation.columns.length}`)
    }
    const values: (string | null | typeof UNCHANGED)[] = []
    for (let i = 0; i < count; i += 1) {
      const form = reader.uint8()
      if (form === TEXT) values.push(reader.text(reader.int32()))
      else if (form === NULL) values.push(null)
      else if (form === TOAST) values.push(UNCHANGED)
      else throw reader.invalid(form === BINARY ? 'a value is in binary form' : `a value has the form 0x${form.toString(16)}`)
    }
    return values
  }

  #known(oid: number): Relation {
    const relation = this.#relations.get(oid)
    if (!relation) throw this.#reader.invalid(`relation ${oid} was not described`)
    return relation
  }

  #replicaIdentity(byte: number): Relation['replicaIdentity'] {
    const letter = String.fromCharCode(byte)
    if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return REPLICA_IDENTITIES[letter]
    throw this.#reader.invalid('the replica identity is none of d, n, f and i')
  }

  #expect(part: number): void {
    if (this.#reader.uint8() !== part) throw this.#reader.invalid('the new tuple does not begin with N')
  }

  /** A number of things that follow; each takes a byte at least, so that a damaged one ends with the message. */
  #count(count: number): number {
    if (count < 0) throw this.#reader.invalid(`a count is ${count}`)
    return count
  }

  #time(): bigint {
    return this.#reader.int64() + POSTGRES_EPOCH_MICROS
  }
}
