/**
 * Encrypts the blocks of the spool. The key is made with the object and never leaves the process, so that what a file holds
 * can be read by nobody once the process is gone. AES-256-GCM, a new nonce for each block.
 *
 * https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf, section 8.2.1: nonces are counted, and the key
 * is used by one object only, so none comes twice.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

export class SpoolCipher {
  readonly #key = randomBytes(32)
  #blocks = 0n

  /** The nonce, the tag and the encrypted bytes. */
  seal(plain: Buffer): Buffer {
    const nonce = Buffer.alloc(NONCE_BYTES)
    nonce.writeBigUInt64BE((this.#blocks += 1n), NONCE_BYTES - 8)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
  }

  /** @throws Error if a byte is not what `seal` gave. */
  open(sealed: Buffer): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES))
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  }
}
