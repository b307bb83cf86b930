/**
 * A file encrypted with AES-256-GCM, in pieces, so that no byte is handed on before it is proven, whatever the file's size.
 *
 *   "sluice sealed 1\n" (16 bytes) | salt (32) | pieces: ciphertext of 64 KiB, the last one of less or as much | tag (16)
 *
 * Each file has a key of its own, derived from the setting's key and the salt, so that a piece's number is its nonce. The last piece is
 * marked in its nonce: one that is missing, or one too many, is found. `bound` is what the file belongs to; it is proven and not stored.
 */
import { type KeyObject, createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'

const ALGORITHM = 'aes-256-gcm'
const MAGIC = Buffer.from('sluice sealed 1\n')
const SALT_BYTES = 32
const TAG_BYTES = 16
const PIECE_BYTES = 64 * 1024

/** What `open` fails with: the bytes, the key or what they are bound to is another. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'
}

export function sealing(key: KeyObject, bound: string): Transform {
  const salt = randomBytes(SALT_BYTES)
  const fileKey = fileKeyOf(key, salt)
  let piece = 0n
  const seal = (plain: Buffer, isLast: boolean): Buffer => {
    const cipher = createCipheriv(ALGORITHM, fileKey, nonceOf(piece++, isLast))
    cipher.setAAD(Buffer.from(bound))
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }
  const transform = inPieces(PIECE_BYTES, seal)
  transform.push(Buffer.concat([MAGIC, salt]))
  return transform
}

/** Fails with `SealBroken`. */
export function opening(key: KeyObject, bound: string): Transform {
  let fileKey: KeyObject | null = null
  let piece = 0n
  const open = (sealed: Buffer, isLast: boolean): Buffer => {
    if (fileKey === null || sealed.length < TAG_BYTES) throw new SealBroken('the file is cut short')
    const end = sealed.length - TAG_BYTES
    const decipher = createDecipheriv(ALGORITHM, fileKey, nonceOf(piece++, isLast))
    decipher.setAAD(Buffer.from(bound))
    decipher.setAuthTag(sealed.subarray(end))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
    } catch (cause) {
      throw new SealBroken(`piece ${piece} does not open`, { cause })
    }
  }
  return inPieces(PIECE_BYTES + TAG_BYTES, open, {
    bytes: MAGIC.length + SALT_BYTES,
    take: (header) => {
      if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw new SealBroken('the file is no sealed one')
      fileKey = fileKeyOf(key, header.subarray(MAGIC.length))
    },
  })
}

/** Cuts what comes into pieces of equal length; the last one, which is not empty unless everything is, ends the stream. */
function inPieces(
  length: number,
  turn: (piece: Buffer, isLast: boolean) => Buffer,
  header: { readonly bytes: number; readonly take: (header: Buffer) => void } | null = null,
): Transform {
  let rest: Buffer = Buffer.alloc(0)
  let isHeaderTaken = header === null
  const work = (transform: Transform, done: TransformCallback, isEnd: boolean): void => {
    try {
      if (!isHeaderTaken && header !== null && rest.length >= header.bytes) {
        header.take(rest.subarray(0, header.bytes))
        rest = rest.subarray(header.bytes)
        isHeaderTaken = true
      }
      while (isHeaderTaken && rest.length > length) {
        transform.push(turn(rest.subarray(0, length), false))
        rest = rest.subarray(length)
      }
      if (isEnd) transform.push(turn(rest, true))
      done()
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  }
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      work(this, done, false)
    },
    flush(done) {
      work(this, done, true)
    },
  })
}

function fileKeyOf(key: KeyObject, salt: Buffer): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, salt, 'sluice backup', 32)))
}

function nonceOf(piece: bigint, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(piece)
  nonce[11] = isLast ? 1 : 0
  return nonce
}
