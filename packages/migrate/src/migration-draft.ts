/**
 * Drafts a migration: the difference between what the migrations of a service make and what is wanted, as SQL in both directions. A new file
 * comes after all files there are, so what they make is where it begins, applied or not. The draft is tried in the scratch database where
 * that was made: up must give what is wanted, down what was there before.
 */
import { readFile } from 'node:fs/promises'
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type pg from 'pg'
import { type MadeStructure, makeBase, makeStructure } from './made-structure.ts'
import { migrationText } from './new-migration.ts'
import { withScratchDatabase } from './scratch-database.ts'
import { type ServiceDatabase } from './service-database.ts'
import { type StructureDifference, compareStructures } from './structure/compare-structures.ts'
import { type DraftedStatements, draftStatements } from './structure/draft-statements.ts'
import { readStructure, structureSeenBy } from './structure/read-structure.ts'
import { type Structure, without, withoutLatePartitions } from './structure/structure.ts'

/** Where the wanted structure stands. */
export type DraftSource =
  /** In the database of the service, where somebody changed it by hand. */
  | { readonly kind: 'live' }
  /** In a file of SQL that makes all tables of the service, as `pg_dump --schema-only` writes it. */
  | { readonly kind: 'file'; readonly path: string }
  /** In another database. */
  | { readonly kind: 'database'; readonly target: PostgresTarget }

/** What came of trying one section. */
export interface DraftTrial {
  /** Why its SQL failed; null if it ran. */
  readonly failure: string | null
  /** What was still different after it. */
  readonly left: readonly StructureDifference[]
}

export interface MigrationDraft {
  readonly text: string
  /** How many things differ. */
  readonly differences: readonly StructureDifference[]
  readonly up: DraftTrial
  readonly down: DraftTrial
  /** What no SQL was found for; it stands in the text as comments. */
  readonly byHand: readonly string[]
}

/**
 * Null if nothing differs. Changes nothing but scratch databases, which it drops.
 *
 * @throws SluiceError SLU-5030 if a migration, or the file of SQL, fails in a scratch database; SLU-5031; SLU-2001 to SLU-2004
 */
export async function draftMigration(database: ServiceDatabase, source: DraftSource): Promise<MigrationDraft | null> {
  return withScratchDatabase(database.target, async (scratch) => {
    const made = await makeStructure(scratch, database)
    const wanted = await wantedStructure(database, source, made)
    const differences = compareStructures(wanted, made.own)
    if (differences.length === 0) return null
    const up = draftStatements(made.own, wanted)
    const down = draftStatements(wanted, made.own)
    const trials = await tryDraft(scratch, { made, wanted, up, down })
    const byHand = [...up.byHand, ...down.byHand.map((text) => `back again: ${text}`)]
    return { text: migrationText(sectionText(up), sectionText(down)), differences, byHand, ...trials }
  })
}

async function wantedStructure(
  database: ServiceDatabase,
  source: DraftSource,
  { own, sluice }: MadeStructure,
): Promise<Structure> {
  switch (source.kind) {
    case 'live':
      return withoutLatePartitions(without(await readStructure(database.target), sluice), own)
    case 'database':
      return without(await readStructure(source.target), sluice)
    case 'file':
      return withScratchDatabase(database.target, async (scratch) => {
        // The file may refer to Sluice's tables, as the migrations may.
        await makeBase(scratch, database)
        await runSchemaFile(scratch, source.path)
        return without(await readStructure(scratch), sluice)
      })
  }
}

/** Newer versions of pg_dump write commands of psql around what they dump. */
const PSQL_GUARD = /^\\(?:un)?restrict\b.*$/gm

async function runSchemaFile(scratch: PostgresTarget, path: string): Promise<void> {
  const sql = (await readFile(path, 'utf8')).replaceAll(PSQL_GUARD, '')
  await withConnection(scratch, { applicationName: 'sluice migrate' }, async (client) => {
    try {
      await client.query(sql)
    } catch (error) {
      throw new SluiceError('MIGRATION_FAILED', {
        what: `${path} does not run in an empty database`,
        why: messageOf(error),
        ways: [`psql -v ON_ERROR_STOP=1 -d <an empty database> -f ${path}`],
        cause: error,
      })
    }
  })
}

interface Draft {
  readonly made: MadeStructure
  readonly wanted: Structure
  readonly up: DraftedStatements
  readonly down: DraftedStatements
}

/** In one transaction, as migrations run, which is rolled back. */
async function tryDraft(
  scratch: PostgresTarget,
  { made, wanted, up, down }: Draft,
): Promise<{ readonly up: DraftTrial; readonly down: DraftTrial }> {
  return withConnection(scratch, { applicationName: 'sluice migrate' }, async (client) => {
    await client.query('BEGIN')
    const tried = { up: await trySection(client, up, wanted, made), down: NOT_TRIED }
    if (tried.up.failure === null) tried.down = await trySection(client, down, made.own, made)
    await client.query('ROLLBACK')
    return tried
  })
}

const NOT_TRIED: DraftTrial = { failure: 'not tried, since the other section failed', left: [] }

async function trySection(
  client: pg.ClientBase,
  section: DraftedStatements,
  wanted: Structure,
  { sluice }: MadeStructure,
): Promise<DraftTrial> {
  try {
    await client.query(sectionText(section))
  } catch (error) {
    return { failure: messageOf(error), left: [] }
  }
  await client.query('SAVEPOINT look')
  const left = compareStructures(wanted, without(await structureSeenBy(client), sluice))
  // Also takes back the path that the look has set.
  await client.query('ROLLBACK TO SAVEPOINT look')
  return { failure: null, left }
}

function sectionText({ statements, byHand }: DraftedStatements): string {
  const comments = byHand.map((text) => `-- By hand: ${text.replaceAll('\n', ' ')}`)
  return [...statements.map((statement) => `${statement};`), ...comments].join('\n\n')
}

/** Nothing has rows here, so no message holds any. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
