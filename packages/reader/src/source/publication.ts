/** The publication of a lane: an explicit list of its tables, every operation, partitions under their root's name. */
import { type Logger, SluiceError } from '@sluice/core'
import { type PostgresTarget, quoteIdentifier, quoteQualified } from '@sluice/postgres'
import { type LaneDefinition, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { outboxName } from './outbox-table.ts'

interface PublicationRow {
  readonly publishes_all: boolean
  readonly via_root: boolean
  readonly is_for_all_tables: boolean
  readonly tables: readonly string[]
  /** Tables with a row filter or a column list. */
  readonly narrowed: readonly string[]
}

const PUBLICATION = `
  SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS publishes_all, p.pubviaroot AS via_root,
    p.puballtables AS is_for_all_tables,
    coalesce(array_agg(n.nspname || '.' || c.relname) FILTER (WHERE c.oid IS NOT NULL), '{}') AS tables,
    coalesce(array_agg(n.nspname || '.' || c.relname) FILTER (WHERE r.prqual IS NOT NULL OR r.prattrs IS NOT NULL), '{}') AS narrowed
  FROM pg_catalog.pg_publication p
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
  LEFT JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE p.pubname = $1
  GROUP BY p.oid`

export interface PublicationOptions {
  readonly lane: LaneDefinition
  readonly target: PostgresTarget
  readonly logger: Logger
  /** Qualified names of tables whose changes the lane already relies on: one that is not published any more is a gap. */
  readonly reliedOn: ReadonlySet<string>
}

/** Tables that the lane reads, the outbox among them. */
export function laneRelations(lane: LaneDefinition): readonly { readonly schema: string; readonly name: string }[] {
  return [...lane.tables.map(({ schema, name }) => ({ schema, name })), ...(lane.outbox ? [outboxName(lane.outbox)] : [])]
}

/**
 * Creates the publication, or adds the tables it lacks.
 *
 * @throws SluiceError SLU-2015 if it no longer carries what the lane relies on; SLU-2003
 */
export async function ensurePublication(client: ClientBase, options: PublicationOptions): Promise<void> {
  const { lane, logger } = options
  const relations = laneRelations(lane)
  const publication = quoteIdentifier(lane.publicationName)
  const existing = await client.query<PublicationRow>(PUBLICATION, [lane.publicationName])
  const found = existing.rows[0]
  if (!found) {
    if (options.reliedOn.size > 0) throw changed(options, 'it does not exist any more')
    const list = relations.map((r) => quoteQualified(r.schema, r.name)).join(', ')
    await client.query(
      `CREATE PUBLICATION ${publication} FOR TABLE ${list} ` +
        `WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
    )
    logger.info({ publication: lane.publicationName, tables: relations.length }, 'publication created')
    return
  }
  assertWhole(options, found)
  if (found.is_for_all_tables) return
  const published = new Set(found.tables)
  const lacking = relations.filter((r) => !published.has(qualifiedName(r)))
  const lost = lacking.map(qualifiedName).filter((name) => options.reliedOn.has(name))
  if (lost.length > 0) throw changed(options, `it does not publish ${lost.join(', ')} any more`)
  if (lacking.length === 0) return
  await client.query(
    `ALTER PUBLICATION ${publication} ADD TABLE ${lacking.map((r) => quoteQualified(r.schema, r.name)).join(', ')}`,
  )
  logger.info({ publication: lane.publicationName, tables: lacking.map(qualifiedName) }, 'tables added to the publication')
}

function assertWhole(options: PublicationOptions, found: PublicationRow): void {
  const wanted = new Set(laneRelations(options.lane).map(qualifiedName))
  const narrowed = found.narrowed.filter((name) => wanted.has(name))
  if (!found.publishes_all) throw changed(options, 'it does not publish every operation')
  if (!found.via_root) throw changed(options, 'it publishes partitions under their own names')
  if (narrowed.length > 0) throw changed(options, `it has a row filter or column list for ${narrowed.join(', ')}`)
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
