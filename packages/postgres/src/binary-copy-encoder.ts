/**
 * Encodes tuples for `COPY … FROM STDIN (FORMAT binary)`: per tuple a 16-bit field count, per field a 32-bit length and
 * the bytes of the type's binary send form; -1 is NULL. All big endian.
 *
 * https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
 */

/** Signature, flags and header extension length: what a binary COPY begins with. */
export const COPY_BINARY_HEADER: Buffer = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
/** Field count -1: what it ends with. */
export const COPY_BINARY_TRAILER: Buffer = Buffer.from([0xff, 0xff])

/** PostgreSQL counts timestamps from 2000-01-01 00:00 UTC. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n

/** Characters from which on a text's bytes are counted before it is written. */
const LONG_TEXT = 16 * 1024

const HEX = hexTable()

/**
 * A buffer that grows, into which the fields of a tuple are written in column order. One piece of memory serves several
 * `take`s while it has room; what was taken is never written over, since it may still be on its way to a socket.
 *
 * The caller opens each tuple with its number of columns and writes exactly that many fields; `take` gives the bytes since
 * the last `take`, which stay valid, and begins anew.
 */
export class BinaryCopyEncoder {
  readonly #slabBytes: number
  #buffer: Buffer
  /** Where the bytes since the last `take` begin, and end. */
  #start = 0
  #used = 0

  /** @param slabBytes memory that is asked for at a time; some multiple of what is taken at a time */
  constructor(slabBytes = 64 * 1024) {
    this.#slabBytes = slabBytes
    this.#buffer = Buffer.allocUnsafe(slabBytes)
  }

  /** Bytes written since the last `take`. */
  get bytes(): number {
    return this.#used - this.#start
  }

  startTuple(columns: number): void {
    this.#ensure(2)
    this.#used = this.#buffer.writeInt16BE(columns, this.#used)
  }

  writeNull(): void {
    this.#ensure(4)
    this.#used = this.#buffer.writeInt32BE(-1, this.#used)
  }

  /** text, varchar, json, enum: the bytes of the text. */
  writeText(text: string): void {
    // A UTF-16 unit takes 3 bytes at most in UTF-8; a long text is measured, so that no memory is asked for in vain.
    this.#ensure(4 + (text.length > LONG_TEXT ? Buffer.byteLength(text) : text.length * 3))
    const length = this.#buffer.write(text, this.#used + 4, 'utf8')
    this.#buffer.writeInt32BE(length, this.#used)
    this.#used += 4 + length
  }

  writeBytes(bytes: Buffer): void {
    this.#ensure(4 + bytes.length)
    this.#used = this.#buffer.writeInt32BE(bytes.length, this.#used)
    this.#used += bytes.copy(this.#buffer, this.#used)
  }

  writeInt2(value: number): void {
    this.#ensure(6)
    this.#used = this.#buffer.writeInt32BE(2, this.#used)
    this.#used = this.#buffer.writeInt16BE(value, this.#used)
  }

  writeInt4(value: number): void {
    this.#ensure(8)
    this.#used = this.#buffer.writeInt32BE(4, this.#used)
    this.#used = this.#buffer.writeInt32BE(value, this.#used)
  }

  writeInt8(value: bigint): void {
    this.#ensure(12)
    this.#used = this.#buffer.writeInt32BE(8, this.#used)
    this.#used = this.#buffer.writeBigInt64BE(value, this.#used)
  }

  writeLsn(value: bigint): void {
    this.#ensure(12)
    this.#used = this.#buffer.writeInt32BE(8, this.#used)
    this.#used = this.#buffer.writeBigUInt64BE(value, this.#used)
  }

  /** timestamptz; microseconds since 1970-01-01 UTC. */
  writeTimestamptz(epochMicros: bigint): void {
    this.writeInt8(epochMicros - POSTGRES_EPOCH_MICROS)
  }

  /** uuid, from its canonical text. */
  writeUuid(text: string): void {
    this.#ensure(20)
    const buffer = this.#buffer
    let at = buffer.writeInt32BE(16, this.#used)
    for (let i = 0; i < 36; i += 2) {
      if (i === 8 || i === 13 || i === 18 || i === 23) i += 1
      buffer[at++] = (HEX[text.charCodeAt(i)]! << 4) | HEX[text.charCodeAt(i + 1)]!
    }
    this.#used = at
  }

  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#used)
    this.#start = this.#used
    return taken
  }

  #ensure(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return
    const open = this.#used - this.#start
    const next = Buffer.allocUnsafe(Math.max(this.#slabBytes, (open + bytes) * 2))
    this.#buffer.copy(next, 0, this.#start, this.#used)
    this.#buffer = next
    this.#start = 0
    this.#used = open
  }
}

function hexTable(): Uint8Array {
  const table = new Uint8Array(128)
  for (let i = 0; i < 16; i += 1) {
    table[i.toString(16).charCodeAt(0)] = i
    table[i.toString(16).toUpperCase().charCodeAt(0)] = i
  }
  return table
}
