/**
 * The shortest text of a floating point number as PostgreSQL prints it with `extra_float_digits` 1: the digits of the
 * shortest decimal that reads back the same, in scientific form below 1e-4 and from 1e15 (double) or 1e6 (real) on.
 *
 * https://github.com/postgres/postgres/blob/REL_17_STABLE/src/common/d2s.c and f2s.c
 */
const DOUBLE_FIXED_DIGITS = 15
const FLOAT_FIXED_DIGITS = 6

export function formatDouble(value: number): string {
  return formatShortest(value, value.toExponential(), DOUBLE_FIXED_DIGITS)
}

export function formatFloat(value: number): string {
  return formatShortest(value, shortestFloat(value), FLOAT_FIXED_DIGITS)
}

/** The fewest digits that read back as the same 32-bit number. */
function shortestFloat(value: number): string {
  for (let digits = 0; digits < 8; digits++) {
    const text = value.toExponential(digits)
    if (Math.fround(Number(text)) === value) return text
  }
  return value.toExponential(8)
}

function formatShortest(value: number, exponential: string, fixedDigits: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [mantissa = '', exponentText = ''] = exponential.split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= fixedDigits) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  const sign = mantissa.startsWith('-') ? '-' : ''
  const figures = mantissa.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${figures}`
  if (figures.length <= exponent + 1) return sign + figures.padEnd(exponent + 1, '0')
  return `${sign}${figures.slice(0, exponent + 1)}.${figures.slice(exponent + 1)}`
}
