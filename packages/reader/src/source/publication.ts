/**
 * The publication of a lane: an explicit list of its tables, every operation, partitions under their root's name. One that
 * others have made may leave out columns which the definition does not name.
 */
import { type Logger, SluiceError, quoteIdentifier, quoteQualified } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { type CapturedTable, type LaneDefinition, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { outboxName } from './outbox-table.ts'
import { type PublishedTable, readPublished } from './published-tables.ts'
import type { CatalogTable } from './source-catalog.ts'

interface PublicationRow {
  readonly publishes_all: boolean
  readonly via_root: boolean
  /** Its tables are a list, to which one can be added. */
  readonly is_list: boolean
}

const PUBLICATION = `
  SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS publishes_all, p.pubviaroot AS via_root,
    NOT p.puballtables AS is_list
  FROM pg_catalog.pg_publication p WHERE p.pubname = $1`

export interface PublicationOptions {
  readonly lane: LaneDefinition
  readonly target: PostgresTarget
  readonly logger: Logger
  readonly catalog: ReadonlyMap<string, CatalogTable>
  /** Qualified names of tables whose changes the lane already relies on: one that is not published any more is a gap. */
  readonly reliedOn: ReadonlySet<string>
  /** The row filter that each table is loaded with, by qualified name; null: with none. */
  readonly loadedFilters: ReadonlyMap<string, string | null>
}

/** Tables that the lane reads, the outbox among them. */
export function laneRelations(lane: LaneDefinition): readonly { readonly schema: string; readonly name: string }[] {
  return [...lane.tables.map(({ schema, name }) => ({ schema, name })), ...(lane.outbox ? [outboxName(lane.outbox)] : [])]
}

/**
 * Creates the publication, or adds what it lacks of tables that the lane does not rely on yet.
 *
 * @throws SluiceError SLU-2015 if it does not carry what the lane needs; SLU-2003
 */
export async function ensurePublication(client: ClientBase, options: PublicationOptions): Promise<void> {
  const { lane, logger } = options
  const { rows } = await client.query<PublicationRow>(PUBLICATION, [lane.publicationName])
  const [found] = rows
  if (found) {
    assertWhole(options, found)
    await addTables(client, options, found)
    await addGeneratedColumns(client, options)
  } else {
    if (options.reliedOn.size > 0) throw changed(options, 'it does not exist any more')
    await createPublication(client, options)
    logger.info({ publication: lane.publicationName, tables: laneRelations(lane).length }, 'publication created')
  }
  assertPublished(options, await readPublished(client, lane.publicationName))
}

async function createPublication(client: ClientBase, { lane, catalog }: PublicationOptions): Promise<void> {
  const list = laneRelations(lane).map((r) => quoteQualified(r.schema, r.name))
  // Only a server that knows the setting has such columns to publish.
  const generated = lane.tables.some((table) => namesGenerated(table, catalog)) ? ', publish_generated_columns = stored' : ''
  await client.query(
    `CREATE PUBLICATION ${quoteIdentifier(lane.publicationName)} FOR TABLE ${list.join(', ')} ` +
      `WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true${generated})`,
  )
}

async function addTables(client: ClientBase, options: PublicationOptions, { is_list: isList }: PublicationRow): Promise<void> {
  const { lane, logger } = options
  const published = await readPublished(client, lane.publicationName)
  const lacking = laneRelations(lane).filter((r) => !published.has(qualifiedName(r)))
  const lost = lacking.map(qualifiedName).filter((name) => options.reliedOn.has(name))
  if (lost.length > 0) throw changed(options, `it does not publish ${lost.join(', ')} any more`)
  if (lacking.length === 0 || !isList) return
  await client.query(
    `ALTER PUBLICATION ${quoteIdentifier(lane.publicationName)} ADD TABLE ${lacking.map((r) => quoteQualified(r.schema, r.name)).join(', ')}`,
  )
  logger.info({ publication: lane.publicationName, tables: lacking.map(qualifiedName) }, 'tables added to the publication')
}

/** What a table's changes lacked until now they lack in the WAL that is still to be read: so nothing is asked for a table that is relied on. */
async function addGeneratedColumns(client: ClientBase, options: PublicationOptions): Promise<void> {
  const { lane, logger, catalog, reliedOn } = options
  const published = await readPublished(client, lane.publicationName)
  const isLacking = lane.tables.some((table) => {
    const found = published.get(qualifiedName(table))
    const isOpen = found !== undefined && !found.hasColumnList && !reliedOn.has(qualifiedName(table))
    return isOpen && namesGenerated(table, catalog) && lackedColumns(table, found).length > 0
  })
  if (!isLacking) return
  await client.query(`ALTER PUBLICATION ${quoteIdentifier(lane.publicationName)} SET (publish_generated_columns = stored)`)
  logger.info({ publication: lane.publicationName }, 'the publication sends generated columns from now on')
}

function namesGenerated(table: CapturedTable, catalog: ReadonlyMap<string, CatalogTable>): boolean {
  const columns = catalog.get(qualifiedName(table))?.columns
  return table.columnNames.some((name) => columns?.get(name)?.generated === 'stored')
}

/** Columns that the definition names, that the table has, and that the publication leaves out. */
function lackedColumns(table: CapturedTable, { unsent }: PublishedTable): readonly string[] {
  return table.columnNames.filter((name) => unsent.has(name))
}

function assertWhole(options: PublicationOptions, found: PublicationRow): void {
  if (!found.publishes_all) throw changed(options, 'it does not publish every operation')
  if (!found.via_root) throw changed(options, 'it publishes partitions under their own names')
}

/** What PostgreSQL sends by it, looked at after everything that could be added was added. */
function assertPublished(options: PublicationOptions, published: ReadonlyMap<string, PublishedTable>): void {
  const { lane } = options
  const relations = laneRelations(lane).map(qualifiedName)
  const absent = relations.filter((name) => !published.has(name))
  if (absent.length > 0) throw changed(options, `it does not publish ${absent.join(', ')} under that name: a root has it`)
  const outbox = lane.outbox ? published.get(qualifiedName(outboxName(lane.outbox))) : undefined
  if (outbox && (outbox.hasColumnList || outbox.rowFilter !== null)) {
    throw changed(options, 'it has a row filter or column list for the outbox')
  }
  for (const table of lane.tables) {
    const found = published.get(qualifiedName(table))!
    assertRowFilter(options, table, found)
    const lacked = lackedColumns(table, found)
    if (lacked.length > 0) throw columnsLacked(options, table, found, lacked)
  }
}

/**
 * A row that comes into the filter is in the stream as an insert, without its unchanged large values unless the old row is in the WAL
 * whole. And the stream does not tell of another filter: rows that it lets in or leaves out are not in the stream either.
 */
function assertRowFilter(options: PublicationOptions, table: CapturedTable, { rowFilter }: PublishedTable): void {
  const { lane, target, catalog, loadedFilters } = options
  const name = qualifiedName(table)
  if (rowFilter !== null && catalog.get(name)?.isIdentityFull !== true) {
    throw new SluiceError('REPLICA_IDENTITY_UNUSABLE', {
      what: `publication "${lane.publicationName}" of ${target.name} (${target.display}) has a row filter for ${name}`,
      why: 'a row that comes into the filter would lack its unchanged large values: the replica identity of the table, or of a partition, is not FULL',
      ways: [`ALTER TABLE ${quoteQualified(table.schema, table.name)} REPLICA IDENTITY FULL    and each of its partitions`],
    })
  }
  const loaded = loadedFilters.get(name)
  if (loaded === undefined || loaded === rowFilter) return
  throw changed(options, `its row filter for ${name} is ${rowFilter ?? 'none'}, the table was read with ${loaded ?? 'none'}`)
}

function columnsLacked(
  options: PublicationOptions,
  table: CapturedTable,
  published: PublishedTable,
  lacked: readonly string[],
): SluiceError {
  const { lane, target } = options
  const [publication, name] = [quoteIdentifier(lane.publicationName), quoteQualified(table.schema, table.name)]
  const columns = [...published.columns, ...lacked].map((column) => quoteIdentifier(column)).join(', ')
  const filter = published.rowFilter === null ? '' : ` WHERE (${published.rowFilter})`
  return new SluiceError('PUBLICATION_CHANGED', {
    what: `publication "${lane.publicationName}" of ${target.name} (${target.display}) leaves out columns that the definition names`,
    why: `of ${qualifiedName(table)} it does not send ${lacked.join(', ')}`,
    ways: [
      `take ${lacked.join(', ')} out of the columns of ${qualifiedName(table)} in the system definition, then: sluice run reader`,
      published.hasColumnList
        ? `BEGIN; ALTER PUBLICATION ${publication} DROP TABLE ${name}; ALTER PUBLICATION ${publication} ADD TABLE ${name} (${columns})${filter}; COMMIT    makes it send them`
        : `ALTER PUBLICATION ${publication} SET (publish_generated_columns = stored)`,
      ...(options.reliedOn.has(qualifiedName(table))
        ? [
            'let it send them before the definition names them, and the reader pass what was written until then; then: sluice backfill start',
          ]
        : []),
    ],
  })
}

function changed(options: PublicationOptions, why: string): SluiceError {
  const { lane, target } = options
  const name = quoteIdentifier(lane.publicationName)
  const isBegun = options.reliedOn.size > 0
  return new SluiceError('PUBLICATION_CHANGED', {
    what: `publication "${lane.publicationName}" of ${target.name} (${target.display}) is not the one the lane needs`,
    why,
    ways: isBegun
      ? [
          'what committed since it was changed may be missing: sluice verify    tells the rows',
          `DROP PUBLICATION IF EXISTS ${name}    then begin again with an empty pipeline database: sluice provision`,
        ]
      : [`DROP PUBLICATION ${name}    the reader makes it anew`],
  })
}
