/** A new migration file: its number, its two sections, its place. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core'
import { migrationNames } from '@sluice/postgres'

/** Digits of a number in a folder that has none yet. */
const DIGITS = 4

/**
 * The name of the next file: the number after the largest, with as many digits.
 *
 * @param name what it does: `add_category_column`
 * @throws SluiceError SLU-1001 for a name that would need quoting somewhere
 */
export async function nextMigrationName(folder: URL, name: string): Promise<string> {
  if (!/^[A-Za-z]\w*$/.test(name)) {
    throw new SluiceError('USAGE', {
      what: `"${name}" is no name of a migration`,
      why: 'it begins with a letter, and has letters, digits and underscores',
      ways: ['sluice migrate new analytics add_category_column'],
    })
  }
  const numbers = (await migrationNames(folder)).map((file) => /^\d+/.exec(file)?.[0] ?? '')
  const largest = numbers.reduce((most, number) => Math.max(most, Number(number)), 0)
  const digits = Math.max(DIGITS, ...numbers.map((number) => number.length))
  return `${String(largest + 1).padStart(digits, '0')}_${name}`
}

/** Text of a file with both sections. */
export function migrationText(up: string, down: string): string {
  return `-- Up Migration\n\n${up}\n\n-- Down Migration\n\n${down}\n`
}

/** @returns the file's path. @throws an error of the file system; a file of that name is never overwritten. */
export async function writeMigration(folder: URL, name: string, text: string): Promise<string> {
  const file = new URL(`${name}.sql`, folder)
  await writeFile(file, text, { flag: 'wx' })
  return fileURLToPath(file)
}
