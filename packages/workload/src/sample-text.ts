/** Texts for sample rows, in several scripts, short and long, and PostgreSQL's text form of arrays. */
import { Random } from './random.ts'

/** A row's value over this size is stored out of line; 1 % of the rows have one. */
export const LARGE_TEXT_BYTES = 8 * 1024
const LARGE_TEXT_SHARE = 0.01

const WORDS = (
  'supply delivery maintenance of the clinical equipment for regional hospitals including installation training and ' +
  'support under a firm fixed price contract with option years sterile surgical kits ventilators imaging diagnostics ' +
  'telehealth records logistics staffing services research vaccine storage cold chain compliance audit naïve café ' +
  'Zürich Łódź Ελλάδα Київ 東京 大阪 서울 القاهرة मुंबई Reykjavík São 🚑 🏥 “quoted” it’s 50 % §7 a\\b "both"'
).split(' ')

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+ä'

/** Names of people, in several scripts. */
export const PEOPLE = [
  'Ann Müller',
  'José Núñez',
  '李 明',
  'Olga Иванова',
  'Siobhán Ní Bhriain',
  'Kwame Osei',
  'Zoë Ødegård',
] as const

/** Words in a fixed random order; a sentence is a stretch of them, which costs less than drawing each word. */
const STREAM = ((random) => Array.from({ length: 8192 }, () => random.pick(WORDS)))(new Random(1))

/** From `least` to `most` words; sometimes with a tab or a line break. */
export function sentence(random: Random, least: number, most: number): string {
  const first = random.between(0, STREAM.length - most)
  const words = STREAM.slice(first, first + random.between(least, most))
  return words.join(random.chance(0.05) ? '\n' : random.chance(0.02) ? '\t' : ' ')
}

/** A long text: for most rows some hundred bytes, for 1 % of them more than 8 kB that do not compress. */
export function longText(random: Random): string {
  return random.chance(LARGE_TEXT_SHARE) ? largeText(random) : sentence(random, 20, 60)
}

/** The same for a column that may be NULL: 1 % of all rows are large. */
export function longTextOrNull(random: Random, nullShare: number): string | null {
  if (random.chance(LARGE_TEXT_SHARE)) return largeText(random)
  return random.chance(nullShare) ? null : sentence(random, 20, 60)
}

/** Random letters, 6 bits each: PostgreSQL's compression finds no repetition, so the value goes out of line. */
export function largeText(random: Random): string {
  const parts: string[] = ['Ärztliche Unterlagen №']
  for (let letters = random.between(LARGE_TEXT_BYTES, LARGE_TEXT_BYTES + 4096); letters > 0; letters -= 5) {
    const bits = random.uint32()
    for (let shift = 0; shift < 30; shift += 6) parts.push(ALPHABET[(bits >>> shift) & 63]!)
  }
  return parts.join('')
}

/** PostgreSQL's text of an array. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
export function arrayText(items: readonly (string | null)[]): string {
  return `{${items.map((i) => (i === null ? 'NULL' : `"${i.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)).join(',')}}`
}

/** An instant of 2026, in microseconds, as PostgreSQL's text. */
export function instant(random: Random): string {
  const seconds = Date.UTC(2026, 0, 1) / 1000 + random.between(0, 300 * 24 * 3600)
  const micros = String(random.between(0, 999_999)).padStart(6, '0')
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z`
}

/** A day from 2025 to 2027. */
export function day(random: Random): string {
  return new Date(Date.UTC(2025, 0, 1 + random.between(0, 1000))).toISOString().slice(0, 10)
}

/** An exact decimal with `scale` digits after the point. */
export function decimal(random: Random, wholeMax: number, scale: number): string {
  const fraction = String(random.between(0, 10 ** scale - 1)).padStart(scale, '0')
  return `${random.between(0, wholeMax)}.${fraction}`
}

/** A number of a column that is plain numeric: of any scale, sometimes NaN or infinite. */
export function anyNumeric(random: Random): string {
  if (random.chance(0.05))
    return random.pick(['NaN', 'NaN', 'Infinity', '-Infinity', '0', '1e-30', '123456789012345678901234567890.5'])
  return decimal(random, 90_000_000, random.between(1, 9))
}

export function maybe<T>(random: Random, make: () => T, nullShare = 0.2): T | null {
  return random.chance(nullShare) ? null : make()
}
