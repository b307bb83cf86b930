/**
 * How rows are boiled down to numbers that two servers can compare (decision 0005).
 *
 * `hash`: `hashtextextended` with two seeds, 128 bits a row. Fast, but its result belongs to the server's byte order and
 * version, so both servers are asked for the digest of one probe first. `md5`: the same everywhere and nearly three
 * times as slow; taken where the probes differ or a database is not UTF-8.
 *
 * A collation is always named: a nondeterministic one would hash two different texts alike.
 */
import type { ClientBase } from 'pg'

export type DigestMethod = 'hash' | 'md5'

export const BUCKETS = 1024

export interface RowDigest {
  readonly method: DigestMethod
  /** Number of the bucket of a key text, 0 to BUCKETS - 1. */
  readonly bucket: (key: string) => string
  /** Two 64-bit digests of a row text. */
  readonly digests: (row: string) => readonly [string, string]
  /** Order of key texts, that of their UTF-8 bytes. */
  readonly order: (key: string) => string
}

const hash: RowDigest = {
  method: 'hash',
  bucket: (key) => `(hashtextextended(${key} COLLATE "C", 0) & ${BUCKETS - 1})::integer`,
  digests: (row) => [`hashtextextended(${row} COLLATE "C", 1)`, `hashtextextended(${row} COLLATE "C", 2)`],
  order: (key) => `${key} COLLATE "C"`,
}

const utf8 = (text: string): string => `convert_to(${text}, 'UTF8')`
const bits = (text: string, from: number): string => `('x' || substr(md5(${utf8(text)}), ${from}, 16))::bit(64)::bigint`

const md5: RowDigest = {
  method: 'md5',
  bucket: (key) => `(${bits(key, 1)} & ${BUCKETS - 1})::integer`,
  digests: (row) => [bits(row, 1), bits(row, 17)],
  order: utf8,
}

/** The fast method if both servers give the same digest of one probe, else the portable one. */
export async function agreeOnDigest(one: ClientBase, other: ClientBase): Promise<RowDigest> {
  const [first, second] = await Promise.all([probe(one), probe(other)])
  return first !== null && first === second ? hash : md5
}

export function rowDigest(method: DigestMethod): RowDigest {
  return method === 'hash' ? hash : md5
}

/** Digest of a fixed text; null where the database has another encoding than UTF-8. */
async function probe(client: ClientBase): Promise<string | null> {
  const { rows } = await client.query<{ encoding: string; digest: string }>(
    `SELECT current_setting('server_encoding') AS encoding, ${hash.digests("'sluice: ' || repeat('probe ', 5)").join(" || ':' || ")} AS digest`,
  )
  const [row] = rows
  return row?.encoding === 'UTF8' ? row.digest : null
}
