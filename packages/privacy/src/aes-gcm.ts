/**
 * AES-256-GCM of a short value: nonce (12 bytes), ciphertext, tag (16 bytes). `bound` is what the value belongs to: it is
 * authenticated and not stored, so that a value that was moved elsewhere does not open.
 *
 * The nonce is random: with 96 bits a key may seal 2^32 values (NIST SP 800-38D, 8.3), far more than one person has.
 */
import { type KeyObject, createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
export const KEY_BYTES = 32

/** Random bytes for the next nonces, fetched many at a time. */
const nonces = Buffer.alloc(NONCE_BYTES * 512)
let nextNonce = nonces.length

export function sealBytes(key: KeyObject, plain: Buffer, bound: string, nonce: Buffer = randomNonce()): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce)
  cipher.setAAD(Buffer.from(bound))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @throws Error if the key, the bytes or what they are bound to is another */
export function openBytes(key: KeyObject, sealed: Buffer, bound: string): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new RangeError(`${sealed.length} bytes are no sealed value`)
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(bound))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()])
}

function randomNonce(): Buffer {
  if (nextNonce === nonces.length) {
    randomFillSync(nonces)
    nextNonce = 0
  }
  // A copy: the pool is filled again while the value is still on its way.
  return Buffer.from(nonces.subarray(nextNonce, (nextNonce += NONCE_BYTES)))
}
