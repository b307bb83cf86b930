/**
 * PostgreSQL's ISO text of dates and times as counts since 1970, and back. What has no such count that gives the same text
 * again (infinity, BC, years of more than four digits) is null.
 */

const DAY_MICROS = 86_400_000_000
/**
 * Avro's zigzag takes a bit: beyond 2^52 (before 1827, after 2112) clients whose numbers are doubles read another time.
 */
const EXACT_MICROS = 2 ** 52

/** Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Howard Hinnant, "days_from_civil"). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

/** `YYYY-MM-DD` of a count of days. */
export function formatDays(days: number): string {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${digits(year, 4)}-${TWO[month]!}-${TWO[day]!}`
}

const TWO: readonly string[] = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'))

function digits(n: number, width: number): string {
  return String(n).padStart(width, '0')
}

const ZERO = 48

/** Digits `from` to `to` of a text as a number, or NaN. */
function number(text: string, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (!(digit >= 0 && digit <= 9)) return NaN
    value = value * 10 + digit
  }
  return value
}

const MONTH_DAYS: readonly number[] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** @returns days since 1970-01-01, or null */
export function parseDays(text: string): number | null {
  return text.length === 10 ? daysAt(text) : null
}

function daysAt(text: string): number | null {
  if (text[4] !== '-' || text[7] !== '-') return null
  const year = number(text, 0, 4)
  const month = number(text, 5, 7)
  const day = number(text, 8, 10)
  const isDate = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= MONTH_DAYS[month]!
  if (!isDate) return null
  if (month === 2 && day === 29 && !(year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))) return null
  return daysFromCivil(year, month, day)
}

/** `HH:MM:SS[.ffffff]` as microseconds of the day, or null. */
export function parseTime(text: string, from = 0, to = text.length): number | null {
  if (to - from < 8 || text[from + 2] !== ':' || text[from + 5] !== ':') return null
  const hours = number(text, from, from + 2)
  const minutes = number(text, from + 3, from + 5)
  const seconds = number(text, from + 6, from + 8)
  const fraction = parseFraction(text, from + 8, to)
  if (fraction === null || !(hours <= 24 && minutes <= 59 && seconds <= 59)) return null
  const micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
  return micros <= DAY_MICROS ? micros : null
}

/** `.25` as 250,000; PostgreSQL prints no trailing zeros, and no point without digits. */
function parseFraction(text: string, from: number, to: number): number | null {
  if (from === to) return 0
  const width = to - from - 1
  if (text[from] !== '.' || width < 1 || width > 6 || text[to - 1] === '0') return null
  const value = number(text, from + 1, to) * 10 ** (6 - width)
  return Number.isNaN(value) ? null : value
}

export function formatTime(micros: number): string {
  const fraction = micros % 1_000_000
  const seconds = (micros - fraction) / 1_000_000
  const text = `${TWO[Math.floor(seconds / 3600)]!}:${TWO[Math.floor(seconds / 60) % 60]!}:${TWO[seconds % 60]!}`
  return fraction === 0 ? text : `${text}.${digits(fraction, 6).replace(/0+$/, '')}`
}

/** `YYYY-MM-DD HH:MM:SS[.ffffff]` and the zone's text as microseconds since 1970, or null. */
export function parseTimestamp(text: string, zone: '' | '+00'): number | null {
  if (!text.endsWith(zone) || text[10] !== ' ') return null
  const days = daysAt(text)
  const time = days === null ? null : parseTime(text, 11, text.length - zone.length)
  if (days === null || time === null || time === DAY_MICROS) return null
  const micros = days * DAY_MICROS + time
  return Math.abs(micros) < EXACT_MICROS ? micros : null
}

export function formatTimestamp(micros: number, zone: '' | '+00'): string {
  const days = Math.floor(micros / DAY_MICROS)
  return `${formatDays(days)} ${formatTime(micros - days * DAY_MICROS)}${zone}`
}
