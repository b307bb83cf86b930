/**
 * Decodes pgoutput messages. Everything is turned into values before `decode` returns: pg uses the bytes again.
 *
 * The decoder keeps the relations that PostgreSQL described, by oid. A stream begins with none; use a new decoder for
 * each connection.
 *
 * https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html
 */
import { ByteReader } from './byte-reader.ts'
import { type OldTuple, type PgoutputMessage, type Relation, type RelationColumn, type Tuple, UNCHANGED } from './message.ts'

/** PostgreSQL counts timestamps from 2000-01-01 00:00 UTC. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n

const REPLICA_IDENTITIES = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const

const [TEXT, BINARY, NULL, TOAST] = ['t', 'b', 'n', 'u'].map((c) => c.charCodeAt(0)) as [number, number, number, number]
const [NEW, KEY, OLD] = ['N', 'K', 'O'].map((c) => c.charCodeAt(0)) as [number, number, number]

export interface PgoutputDecoder {
  /**
   * @param bytes One message, without the XLogData header.
   * @throws SluiceError SLU-2040 if it is damaged, cut short, or of a kind that protocol version 1 does not have.
   */
  decode(bytes: Buffer): PgoutputMessage
}

export function createPgoutputDecoder(): PgoutputDecoder {
  return new Decoder()
}

class Decoder implements PgoutputDecoder {
  readonly #reader = new ByteReader()
  readonly #relations = new Map<number, Relation>()

  decode(bytes: Buffer): PgoutputMessage {
    const reader = this.#reader
    reader.open(bytes)
    const message = this.#body(reader.uint8())
    reader.close()
    return message
  }

  #body(kind: number): PgoutputMessage {
    switch (String.fromCharCode(kind)) {
      case 'I':
        return this.#insert()
      case 'U':
        return this.#update()
      case 'D':
        return this.#delete()
      case 'B':
        return this.#begin()
      case 'C':
        return this.#commit()
      case 'R':
        return this.#relation()
      case 'T':
        return this.#truncate()
      case 'M':
        return this.#logicalMessage()
      case 'O':
        return { kind: 'origin', commitLsn: this.#reader.uint64(), name: this.#reader.zeroEnded() }
      case 'Y':
        return {
          kind: 'type',
          oid: this.#reader.uint32(),
          schema: this.#reader.zeroEnded(),
          name: this.#reader.zeroEnded(),
        }
      default:
        throw this.#reader.invalid('protocol version 1 has no such message')
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

  #insert(): PgoutputMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    this.#expect(NEW)
    return { kind: 'insert', relation, after: this.#tuple(relation) }
  }

  #update(): PgoutputMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    const part = this.#reader.uint8()
    if (part === NEW) return { kind: 'update', relation, before: null, after: this.#tuple(relation) }
    const before = this.#oldTuple(relation, part)
    this.#expect(NEW)
    return { kind: 'update', relation, before, after: this.#tuple(relation) }
  }

  #delete(): PgoutputMessage {
    this.#reader.expectTexts()
    const relation = this.#known(this.#reader.uint32())
    return { kind: 'delete', relation, before: this.#oldTuple(relation, this.#reader.uint8()) }
  }

  #truncate(): PgoutputMessage {
    const count = this.#count(this.#reader.int32())
    const options = this.#reader.uint8()
    const relations: Relation[] = []
    for (let i = 0; i < count; i += 1) relations.push(this.#known(this.#reader.uint32()))
    return { kind: 'truncate', relations, isCascade: (options & 1) !== 0, restartsIdentity: (options & 2) !== 0 }
  }

  #logicalMessage(): PgoutputMessage {
    const reader = this.#reader
    const flags = reader.uint8()
    const lsn = reader.uint64()
    const prefix = reader.zeroEnded()
    return { kind: 'message', isTransactional: (flags & 1) !== 0, lsn, prefix, content: reader.copy(reader.int32()) }
  }

  #relation(): PgoutputMessage {
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
