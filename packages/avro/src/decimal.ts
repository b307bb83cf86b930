/**
 * PostgreSQL's text of a numeric with a fixed scale as Avro's decimal (the unscaled value, two's complement, big endian), and
 * back. A text that does not come back byte for byte (NaN, Infinity, `-0.00`, another scale) is null.
 */

/** 15 digits are exact in a double. */
const EXACT_DIGITS = 15

/** @returns the unscaled value's bytes, or null */
export function parseDecimal(text: string, precision: number, scale: number): Buffer | null {
  const isNegative = text.charCodeAt(0) === 45
  const start = isNegative ? 1 : 0
  const point = scale === 0 ? text.length : text.length - scale - 1
  if (point <= start || (scale > 0 && text[point] !== '.')) return null
  if (text[start] === '0' && point > start + 1) return null
  const unscaled = text.slice(start, point) + text.slice(point + 1)
  if (!isDigits(unscaled)) return null
  if (unscaled.length <= EXACT_DIGITS) {
    const value = Number(unscaled)
    if (value === 0 && isNegative) return null
    return numberBytes(isNegative ? -value : value)
  }
  const value = BigInt(unscaled)
  if ((value === 0n && isNegative) || value.toString().length > precision) return null
  return bigBytes(isNegative ? -value : value)
}

export function formatDecimal(bytes: Buffer, scale: number): string {
  const isNegative = bytes.length > 0 && bytes[0]! >= 0x80
  const magnitude = bytes.length <= 6 ? smallMagnitude(bytes) : bigMagnitude(bytes)
  const unscaled = magnitude.padStart(scale + 1, '0')
  const sign = isNegative ? '-' : ''
  if (scale === 0) return sign + unscaled
  const point = unscaled.length - scale
  return `${sign}${unscaled.slice(0, point)}.${unscaled.slice(point)}`
}

function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return false
  }
  return text.length > 0
}

/** The fewest bytes of a whole number of at most 15 digits. */
function numberBytes(value: number): Buffer {
  let length = 1
  for (let limit = 0x80; value >= limit || value < -limit; limit *= 0x100) length++
  const bytes = Buffer.allocUnsafe(length)
  if (length <= 6) bytes.writeIntBE(value, 0, length)
  else {
    // writeIntBE ends at six bytes.
    bytes.writeIntBE(Math.floor(value / 0x1_0000_0000), 0, length - 4)
    bytes.writeUInt32BE(value - Math.floor(value / 0x1_0000_0000) * 0x1_0000_0000, length - 4)
  }
  return bytes
}

function bigBytes(value: bigint): Buffer {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0')
  return Buffer.from(hex, 'hex')
}

function smallMagnitude(bytes: Buffer): string {
  return bytes.length === 0 ? '0' : String(Math.abs(bytes.readIntBE(0, bytes.length)))
}

function bigMagnitude(bytes: Buffer): string {
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
  return (value < 0n ? -value : value).toString()
}
