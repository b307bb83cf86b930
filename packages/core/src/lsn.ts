/**
 * A position in PostgreSQL's write-ahead log: an unsigned 64-bit byte offset.
 *
 * Text form `16/B374D848` (two hexadecimal halves), see
 * https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export type Lsn = bigint & { readonly __brand: 'Lsn' }

const LSN_TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/

/** `0/0`, which PostgreSQL calls the invalid LSN. */
export const LSN_ZERO = 0n as Lsn

/** Brands a number that is known to be an LSN, such as one read from a replication message. */
export function lsnOf(value: bigint): Lsn {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`not an LSN: ${value}`)
  return value as Lsn
}

/** @throws RangeError if `text` is not an LSN as PostgreSQL prints it. */
export function parseLsn(text: string): Lsn {
  const match = LSN_TEXT.exec(text)
  if (!match) throw new RangeError(`not an LSN: "${text}"`)
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}
