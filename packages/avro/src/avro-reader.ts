/** Reads Avro's binary encoding; every read is checked against the end. */
export class AvroReader {
  readonly #buffer: Buffer
  #at: number

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#buffer.length
  }

  readByte(): number {
    const byte = this.#buffer[this.#at++]
    if (byte === undefined) throw new RangeError('the value ends in the middle')
    return byte
  }

  /** int, or a long that is known to be small. @throws RangeError if it has more than 53 bits */
  readInt(): number {
    const first = this.readByte()
    if (first < 0x80) return (first >>> 1) ^ -(first & 1)
    let value = first & 0x7f
    let factor = 0x80
    for (let byte = 0x80; byte >= 0x80; factor *= 0x80) {
      byte = this.readByte()
      value += (byte & 0x7f) * factor
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number is larger than expected')
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  readLong(): bigint {
    const start = this.#at
    let bytes = 1
    while (this.readByte() >= 0x80) bytes++
    this.#at = start
    if (bytes <= 7) return BigInt(this.readInt())
    if (bytes > 10) throw new RangeError('a number has more than 64 bits')
    let value = 0n
    for (let shift = 0n; bytes > 0; bytes--, shift += 7n) value |= BigInt(this.readByte() & 0x7f) << shift
    value = BigInt.asUintN(64, value)
    return (value >> 1n) ^ -(value & 1n)
  }

  readFloat(): number {
    return this.#buffer.readFloatLE(this.#skip(4))
  }

  readDouble(): number {
    return this.#buffer.readDoubleLE(this.#skip(8))
  }

  /** A view, not a copy. */
  readBytes(): Buffer {
    const length = this.readInt()
    const start = this.#skip(length)
    return this.#buffer.subarray(start, start + length)
  }

  readString(): string {
    const length = this.readInt()
    const start = this.#skip(length)
    return length < 24 ? this.#shortString(start, length) : this.#buffer.toString('utf8', start, start + length)
  }

  #shortString(start: number, length: number): string {
    let text = ''
    for (let i = start; i < start + length; i++) {
      const byte = this.#buffer[i]!
      if (byte > 0x7f) return this.#buffer.toString('utf8', start, start + length)
      text += String.fromCharCode(byte)
    }
    return text
  }

  #skip(bytes: number): number {
    const start = this.#at
    if (bytes < 0 || start + bytes > this.#buffer.length) throw new RangeError('the value ends in the middle')
    this.#at = start + bytes
    return start
  }
}
