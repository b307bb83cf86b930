/**
 * Promise 1, identity: the event id is a UUIDv5 of what the change is in its source, so that the same change read
 * twice, by another process or after a restart, gives the same id.
 *
 * The lane epoch (a random UUID made with the slot) is the UUIDv5 namespace.
 *   a streamed change         name = `<commit LSN>/<ordinal>`
 *   a row of an initial load  name = `<run>/<table>/<key>/<LSN of its snapshot>`
 *
 * UUIDv5 is RFC 9562, section 5.5. `node:crypto` costs half of the `uuid` package here, which the test compares with.
 */
import { hash } from 'node:crypto'
import { formatLsn, type Lsn } from './lsn.ts'

/** Namespace of aggregate ids whose key is not one uuid; fixed for ever. */
const AGGREGATE_NAMESPACE = namespaceBytes('6f1f3e0a-6c0f-5d0b-9c53-1d2a4f0b7c11')
/** Namespace of correlation and causation ids in columns of type uuid; fixed for ever. */
const CORRELATION_NAMESPACE = namespaceBytes('b3b6a9c2-50a4-5a2f-8a3d-2f6f1f0c9e77')

/** Canonical lower-case text form of a UUID. */
export type Uuid = string & { readonly __brand: 'Uuid' }

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUuid(text: string): text is Uuid {
  return UUID_TEXT.test(text)
}

/** @throws RangeError if `text` is not a canonical lower-case UUID. */
export function parseUuid(text: string): Uuid {
  if (!isUuid(text)) throw new RangeError(`not a UUID: "${text}"`)
  return text
}

/** The 16 bytes of a lane epoch, kept by the caller so that they are parsed once. */
export function namespaceBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** UUIDv5 of a name in a namespace. */
export function uuidV5(namespace: Buffer, name: string): Uuid {
  const digest = hash('sha1', Buffer.concat([namespace, Buffer.from(name, 'utf8')]), 'buffer')
  digest[6] = (digest[6]! & 0x0f) | 0x50
  digest[8] = (digest[8]! & 0x3f) | 0x80
  const hex = digest.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Uuid
}

/**
 * Id of a streamed change.
 *
 * @param ordinal Place in the transaction, from 0, counted over what the transaction kept: row changes, truncates and
 *   Sluice's own messages.
 */
export function streamedEventId(epoch: Buffer, commitLsn: Lsn, ordinal: number): Uuid {
  return uuidV5(epoch, `${formatLsn(commitLsn)}/${ordinal}`)
}

/** Id of a row of an initial load or backfill. `table` is schema-qualified, `key` the aggregate key's text. */
export function loadedEventId(epoch: Buffer, run: string, table: string, key: string, snapshotLsn: Lsn): Uuid {
  return uuidV5(epoch, `${run}/${table}/${key}/${formatLsn(snapshotLsn)}`)
}

/** What an event's aggregate is called: `id` is the key itself where that is one uuid, else `key` stands beside it. */
export interface AggregateName {
  readonly id: Uuid
  readonly key: string | null
}

/**
 * Names an aggregate after its primary key.
 *
 * @param values The key's columns in key order, as PostgreSQL's text. Several are joined as a JSON array, so that no
 *   two keys give one text.
 */
export function aggregateName(values: readonly string[]): AggregateName {
  const [only] = values
  if (values.length === 1 && only !== undefined) {
    if (isUuid(only)) return { id: only, key: null }
    return { id: uuidV5(AGGREGATE_NAMESPACE, only), key: only }
  }
  const key = JSON.stringify(values)
  return { id: uuidV5(AGGREGATE_NAMESPACE, key), key }
}

/** Names the aggregate of a table itself, to which its truncates belong. @param table Schema-qualified. */
export function tableAggregateName(table: string): AggregateName {
  return aggregateName(['table', table])
}

/** A correlation or causation id as a column of type uuid holds it: itself if it is one, else its UUIDv5. */
export function correlationUuid(id: string): Uuid {
  const lower = id.toLowerCase()
  return isUuid(lower) ? lower : uuidV5(CORRELATION_NAMESPACE, id)
}

/**
 * The correlation of a transaction whose application named none. It is text that grows with the WAL, so that an index
 * over it is written at its right edge only. Lanes of one monolith share it: it holds the source's epoch, not the lane's.
 */
export function defaultCorrelationId(sourceEpoch: Uuid, commitLsn: Lsn): string {
  return `tx-${sourceEpoch.slice(0, 8)}-${commitLsn.toString(16).padStart(16, '0')}`
}
