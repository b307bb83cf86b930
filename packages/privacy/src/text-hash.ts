/**
 * Keyed hash of a text: HMAC-SHA-256, 64 hexadecimal digits. The same in SQL, so that a database can be asked for the hashes of
 * its values without the values leaving it. https://www.rfc-editor.org/rfc/rfc2104
 */
import { type KeyObject, createHmac } from 'node:crypto'

export function textHash(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text, 'utf8').digest('hex')
}

/** Bytes of a block of SHA-256. */
const BLOCK_BYTES = 64

/** The two blocks that HMAC puts in front of its inner and outer hash. */
export function hmacBlocks(key: KeyObject): { readonly inner: Buffer; readonly outer: Buffer } {
  const bytes = key.export()
  const block = (pad: number): Buffer => Buffer.from(Array.from({ length: BLOCK_BYTES }, (_, i) => (bytes[i] ?? 0) ^ pad))
  return { inner: block(0x36), outer: block(0x5c) }
}

/**
 * SQL of `textHash`.
 *
 * @param text SQL of the text; NULL gives NULL.
 * @param inner SQL of a bytea, as is `outer`: a parameter or a setting, never a literal that a log would show.
 */
export function textHashSql(text: string, inner: string, outer: string): string {
  return `encode(sha256(${outer} || sha256(${inner} || convert_to(${text}, 'UTF8'))), 'hex')`
}
