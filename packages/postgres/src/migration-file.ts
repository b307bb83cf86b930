/**
 * A migration file `NNNN_name.sql` with `-- Up Migration` and `-- Down Migration`, each the text up to the other. All pending files run in
 * one transaction, so none may end it.
 */
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core'

export interface MigrationText {
  readonly up: string
  /** Null where the file has no such section: then it can not be undone. */
  readonly down: string | null
}

const UP = /^\s*--[\s-]*up\s+migration.*$/im
const DOWN = /^\s*--[\s-]*down\s+migration.*$/im

/** Comments, texts and bodies of functions: what stands in them ends no transaction. */
const NO_STATEMENTS = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$/g
const TRANSACTION_CONTROL = /(?:^|;)\s*((?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE\s+TRANSACTION)\b[^;]*)/i

/** Names without `.sql` of the files of a folder, in the order in which they are applied. */
export async function migrationNames(folder: URL): Promise<readonly string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql') && !file.startsWith('.'))
  return files.map((file) => file.slice(0, -'.sql'.length)).toSorted(compareNames)
}

/** By their numbers; of one number by the rest of the name. */
function compareNames(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || a.localeCompare(b)
}

export async function readMigrationFile(folder: URL, name: string): Promise<MigrationText> {
  return splitMigration(await readFile(new URL(`${encodeURIComponent(name)}.sql`, folder), 'utf8'))
}

/** A text without sections is all up, as the library that runs it takes it. */
export function splitMigration(text: string): MigrationText {
  const [up, down] = [UP.exec(text), DOWN.exec(text)]
  const between = (from: RegExpExecArray, to: RegExpExecArray | null): string =>
    text.slice(from.index + from[0].length, to && to.index > from.index ? to.index : undefined).trim()
  return { up: up ? between(up, down) : text.trim(), down: down ? between(down, up) : null }
}

/**
 * @throws SluiceError SLU-5031 if a file has no number, or would end the transaction that all of them run in: a failure after that would
 *   leave half of it.
 */
export async function assertMigrationFiles(folder: URL, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = `${fileURLToPath(folder)}${name}.sql`
    if (!/^\d+/.test(name)) {
      throw new SluiceError('MIGRATION_FILE_INVALID', {
        what: `${path} is no migration`,
        why: 'its name does not begin with a number, so that it has no place among the others',
        ways: [`mv ${path} ${fileURLToPath(folder)}0001_${name}.sql`],
      })
    }
    const { up, down } = await readMigrationFile(folder, name)
    const found = [up, down ?? '']
      .map((sql) => TRANSACTION_CONTROL.exec(withoutAtomicBodies(sql.replaceAll(NO_STATEMENTS, '')))?.[1])
      .find(Boolean)
    if (found === undefined) continue
    throw new SluiceError('MIGRATION_FILE_INVALID', {
      what: `migration ${name} ends the transaction that it runs in`,
      why: `it has "${found.trim().split('\n')[0] ?? ''}"; what fails after that would leave half of it`,
      ways: [`take the statement out of ${path}: all pending files are one transaction`],
    })
  }
}

/** Without the bodies of functions in standard SQL: from BEGIN ATOMIC to its END, with each CASE and its END between them. */
function withoutAtomicBodies(sql: string): string {
  let kept = ''
  let end = 0
  let depth = 0
  for (const { 0: word, index } of sql.matchAll(/\b(?:BEGIN\s+ATOMIC|CASE|END)\b/gi)) {
    if (depth === 0) {
      if (!/^BEGIN/i.test(word)) continue
      kept += sql.slice(end, index)
    }
    depth += /^END$/i.test(word) ? -1 : 1
    if (depth === 0) end = index + word.length
  }
  return depth === 0 ? kept + sql.slice(end) : kept
}
