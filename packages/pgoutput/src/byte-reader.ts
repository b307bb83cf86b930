/**
 * Reads big-endian fields from one message. Every read is checked against the message's end, so that damaged bytes never
 * reach into the memory behind it.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '@sluice/core'

const NOT_ASCII = /[^\0-\x7f]/

export class ByteReader {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** All bytes as one string where every byte is ASCII, so that texts are cut from it without another call into native code. */
  #ascii: string | null = null

  /** Begins a message. The bytes must not change until it is read to its end. */
  open(bytes: Buffer): void {
    this.#bytes = bytes
    this.#at = 0
    this.#ascii = null
  }

  /** Looks once whether all bytes are ASCII; worth it where many texts follow. */
  expectTexts(): void {
    const text = this.#bytes.toString('latin1')
    if (!NOT_ASCII.test(text)) this.#ascii = text
  }

  uint8(): number {
    return this.#bytes[this.#take(1)]!
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    const at = this.#take(4)
    const bytes = this.#bytes
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  uint64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8))
  }

  /** Text of a known length in bytes. */
  text(length: number): string {
    if (length < 0) throw this.invalid(`a length is ${length}`)
    const start = this.#take(length)
    const end = start + length
    return this.#ascii === null ? this.#utf8(start, end) : this.#ascii.slice(start, end)
  }

  /** Text that a zero byte ends. */
  zeroEnded(): string {
    const start = this.#at
    const end = this.#bytes.indexOf(0, start)
    if (end < 0) throw this.invalid('a name has no end')
    this.#at = end + 1
    return this.#utf8(start, end)
  }

  /** A copy of the next bytes. */
  copy(length: number): Buffer {
    if (length < 0) throw this.invalid(`a length is ${length}`)
    const start = this.#take(length)
    return Buffer.from(this.#bytes.subarray(start, start + length))
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** Leaves the rest of the message unread. */
  skipRest(): void {
    this.#at = this.#bytes.length
  }

  /** @throws SluiceError SLU-2040 if bytes are left. */
  close(): void {
    if (this.left > 0) throw this.invalid(`${this.left} bytes are left over`)
  }

  /** The error of a message that can't be read; it tells the place and the kind, and nothing of the contents. */
  invalid(why: string): SluiceError {
    const kind = this.#bytes.length > 0 ? `kind 0x${this.#bytes[0]!.toString(16).padStart(2, '0')}` : 'no kind'
    return new SluiceError('PROTOCOL_MESSAGE_INVALID', {
      what: 'a replication message can not be read',
      why: `${why} (at byte ${this.#at} of ${this.#bytes.length}, ${kind})`,
      ways: ['see that nothing between PostgreSQL and the reader changes the stream, then: sluice run reader'],
    })
  }

  #take(length: number): number {
    const start = this.#at
    const end = start + length
    if (end > this.#bytes.length) throw this.invalid(`it ends ${end - this.#bytes.length} bytes too early`)
    this.#at = end
    return start
  }

  #utf8(start: number, end: number): string {
    const text = this.#bytes.toString('utf8', start, end)
    // Node puts U+FFFD in place of what it can't decode; a database of encoding SQL_ASCII may hold such bytes.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, end))) throw this.invalid('a text is not UTF-8')
    return text
  }
}
