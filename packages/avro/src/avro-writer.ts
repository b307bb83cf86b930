/** Writes Avro's binary encoding. https://avro.apache.org/docs/1.12.0/specification/#binary-encoding */

/** Values are written one behind the other into slabs of this size. */
const SLAB_BYTES = 64 * 1024

export class AvroWriter {
  #buffer: Buffer
  /** Where the value that is written now begins. */
  #start = 0
  #used = 0

  constructor() {
    this.#buffer = Buffer.allocUnsafe(SLAB_BYTES)
  }

  /** The bytes since the last `take`. They stay valid: the next value is written behind them. */
  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#used)
    this.#start = this.#used
    return taken
  }

  writeRaw(bytes: Buffer): void {
    this.#ensure(bytes.length)
    this.#used += bytes.copy(this.#buffer, this.#used)
  }

  writeByte(byte: number): void {
    this.#ensure(1)
    this.#buffer[this.#used++] = byte
  }

  /** int and long of at most 53 bits: zigzag, then seven bits a byte. */
  writeLong(value: number): void {
    this.#ensure(10)
    const buffer = this.#buffer
    let used = this.#used
    if (value >= -0x4000_0000 && value < 0x4000_0000) {
      let n = (value << 1) ^ (value >> 31)
      while (n > 0x7f) {
        buffer[used++] = (n & 0x7f) | 0x80
        n >>>= 7
      }
      buffer[used++] = n
    } else {
      let n = value >= 0 ? value * 2 : -value * 2 - 1
      if (n > Number.MAX_SAFE_INTEGER) {
        this.writeBigLong(BigInt(value))
        return
      }
      while (n > 0x7f) {
        buffer[used++] = (n % 0x80) | 0x80
        n = Math.floor(n / 0x80)
      }
      buffer[used++] = n
    }
    this.#used = used
  }

  writeBigLong(value: bigint): void {
    if (value >= -0x4000_0000n && value < 0x4000_0000n) {
      this.writeLong(Number(value))
      return
    }
    this.#ensure(10)
    let n = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (n > 0x7fn) {
      this.#buffer[this.#used++] = Number(n & 0x7fn) | 0x80
      n >>= 7n
    }
    this.#buffer[this.#used++] = Number(n)
  }

  writeFloat(value: number): void {
    this.#ensure(4)
    this.#used = this.#buffer.writeFloatLE(value, this.#used)
  }

  writeDouble(value: number): void {
    this.#ensure(8)
    this.#used = this.#buffer.writeDoubleLE(value, this.#used)
  }

  writeBytes(bytes: Buffer): void {
    this.writeLong(bytes.length)
    this.writeRaw(bytes)
  }

  writeString(text: string): void {
    const { length } = text
    if (length < 64 && this.#writeShortAscii(text)) return
    const bytes = Buffer.byteLength(text)
    this.writeLong(bytes)
    this.#ensure(bytes)
    if (bytes === length) this.#used += this.#buffer.write(text, this.#used, 'latin1')
    else this.#used += this.#buffer.write(text, this.#used, 'utf8')
  }

  /** Below about 64 characters a loop is faster than a call into the buffer's native code. */
  #writeShortAscii(text: string): boolean {
    const { length } = text
    this.#ensure(length + 1)
    const buffer = this.#buffer
    let at = this.#used + 1
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return false
      buffer[at++] = code
    }
    buffer[this.#used] = length << 1
    this.#used = at
    return true
  }

  #ensure(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return
    const written = this.#used - this.#start
    const grown = Buffer.allocUnsafe(Math.max(SLAB_BYTES, (written + bytes) * 2))
    this.#buffer.copy(grown, 0, this.#start, this.#used)
    this.#buffer = grown
    this.#start = 0
    this.#used = written
  }
}
