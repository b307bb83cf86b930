/** What a source has now: the lane's slot and publication, transactions that would hold up a new slot, schema and outbox. */
import type { HealthCheck } from '@sluice/core'
import { type LaneDefinition, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'

const OPEN_SECONDS_MAX = 60

export async function checkSlot(prefix: string, client: ClientBase, lane: LaneDefinition): Promise<readonly HealthCheck[]> {
  const name = `${prefix}.slot`
  const { rows } = await client.query<{
    plugin: string | null
    is_here: boolean
    active: boolean
    wal_status: string | null
    retained: string | null
  }>(
    `SELECT plugin, database = current_database() AS is_here, active, wal_status,
       pg_size_pretty(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
         restart_lsn)) AS retained
     FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [lane.slotName],
  )
  const slot = rows[0]
  if (!slot) return [ok(name, `slot "${lane.slotName}" does not exist yet; the reader makes it`)]
  if (slot.plugin !== 'pgoutput' || !slot.is_here) {
    return [
      failed(name, {
        summary: `slot "${lane.slotName}" is of another plugin or database`,
        fix: [`SELECT pg_drop_replication_slot('${lane.slotName}');    -- if nothing else uses it`],
        code: 'SLU-2030',
      }),
    ]
  }
  const state = `slot "${lane.slotName}" is ${slot.active ? 'read' : 'not read'}, keeps ${slot.retained ?? 'no'} of WAL, wal_status ${slot.wal_status ?? 'unknown'}`
  if (slot.wal_status === 'lost') {
    return [failed(name, { summary: state, fix: ['sluice explain SLU-2021'], code: 'SLU-2021' })]
  }
  if (slot.wal_status === 'unreserved') return [warning(name, { summary: state, fix: ['sluice run reader', 'sluice status'] })]
  return [ok(name, state)]
}

interface PublishedTable {
  readonly name: string
  readonly columns: readonly string[]
  /** A row filter lets rows in that the WAL does not have whole. */
  readonly is_narrowed: boolean
}

export async function checkPublication(
  prefix: string,
  client: ClientBase,
  lane: LaneDefinition,
): Promise<readonly HealthCheck[]> {
  const name = `${prefix}.publication`
  const { rows } = await client.query<{
    tables: PublishedTable[] | null
    exists: boolean
    may_create: boolean
    role: string
  }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1) AS exists,
       (SELECT json_agg(json_build_object('name', format('%s.%s', schemaname, tablename), 'columns', attnames,
           'is_narrowed', rowfilter IS NOT NULL AND relreplident <> 'f'))
        FROM pg_catalog.pg_publication_tables JOIN pg_catalog.pg_class ON oid = to_regclass(format('%I.%I', schemaname, tablename))
        WHERE pubname = $1) AS tables,
       has_database_privilege(current_database(), 'CREATE') AS may_create, current_user::text AS role`,
    [lane.publicationName],
  )
  const { exists, tables, may_create: mayCreate, role } = rows[0]!
  if (!exists && !mayCreate) {
    return [
      failed(name, {
        summary: `publication "${lane.publicationName}" does not exist and role "${role}" may not create one`,
        fix: [`GRANT CREATE ON DATABASE current_database TO "${role}";    -- with the database's name`, createPublication(lane)],
        code: 'SLU-2003',
      }),
    ]
  }
  if (!exists) return [ok(name, `publication "${lane.publicationName}" does not exist yet; the reader makes it`)]
  const published = new Map((tables ?? []).map((table) => [table.name, table.columns]))
  const narrowed = lane.tables.map(qualifiedName).filter((t) => tables?.some((p) => p.name === t && p.is_narrowed) === true)
  if (narrowed.length > 0) {
    return [
      failed(name, {
        summary: `publication "${lane.publicationName}" has a row filter for ${narrowed.join(', ')}`,
        cause: 'a row that comes into the filter would lack its unchanged large values',
        fix: narrowed.map((t) => `ALTER TABLE ${t} REPLICA IDENTITY FULL;`),
        code: 'SLU-2014',
      }),
    ]
  }
  const lacked = lane.tables.flatMap((table) => {
    const columns = published.get(qualifiedName(table))
    const names = columns ? table.columnNames.filter((column) => !columns.includes(column)) : []
    return names.map((column) => `${qualifiedName(table)}.${column}`)
  })
  if (lacked.length > 0) {
    return [
      failed(name, {
        summary: `publication "${lane.publicationName}" does not send ${lacked.join(', ')}, which the definition names`,
        fix: ['take them out of the system definition, or let the publication send them: sluice explain SLU-2015'],
        code: 'SLU-2015',
      }),
    ]
  }
  const missing = wantedTables(lane).filter((t) => !published.has(t))
  if (missing.length === 0) return [ok(name, `publication "${lane.publicationName}" has all ${wantedTables(lane).length} tables`)]
  return [
    warning(name, {
      summary: `publication "${lane.publicationName}" lacks ${missing.join(', ')}; the reader adds them`,
      fix: [`ALTER PUBLICATION "${lane.publicationName}" ADD TABLE ${missing.join(', ')};`],
    }),
  ]
}

function createPublication(lane: LaneDefinition): string {
  return `CREATE PUBLICATION "${lane.publicationName}" FOR TABLE ${wantedTables(lane).join(', ')} WITH (publish_via_partition_root = true);    -- as their owner`
}

function wantedTables(lane: LaneDefinition): readonly string[] {
  const outbox = lane.outbox ? [`${lane.outbox.schema ?? 'public'}.${lane.outbox.table ?? 'outbox'}`] : []
  return [...lane.tables.map(qualifiedName), ...outbox]
}

/** Creating a slot, and verify, wait for every open write transaction. */
export async function checkOpenTransactions(prefix: string, client: ClientBase): Promise<readonly HealthCheck[]> {
  const name = `${prefix}.open_transactions`
  const { rows } = await client.query<{ pid: number | null; who: string; seconds: number }>(
    `SELECT pid, coalesce(nullif(application_name, ''), backend_type) AS who,
       extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
     FROM pg_catalog.pg_stat_activity
     WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => $1)
     UNION ALL
     SELECT NULL, 'prepared transaction ' || quote_literal(gid), extract(epoch FROM clock_timestamp() - prepared)::int
     FROM pg_catalog.pg_prepared_xacts WHERE prepared < clock_timestamp() - make_interval(secs => $1)
     ORDER BY seconds DESC LIMIT 5`,
    [OPEN_SECONDS_MAX],
  )
  if (rows.length === 0) return [ok(name, `no write transaction is older than ${OPEN_SECONDS_MAX} s`)]
  return [
    warning(name, {
      summary: `${rows.length} write transactions older than ${OPEN_SECONDS_MAX} s: ${rows.map((r) => `${r.who} ${r.seconds} s`).join(', ')}`,
      cause: 'creating a slot, and verify, wait until they end',
      fix: rows.map((r) =>
        r.pid === null ? `ROLLBACK PREPARED …;    -- ${r.who}` : `SELECT pg_terminate_backend(${r.pid});    -- ${r.who}`,
      ),
    }),
  ]
}

export async function checkOutbox(prefix: string, client: ClientBase, lane: LaneDefinition): Promise<readonly HealthCheck[]> {
  if (!lane.outbox) return []
  const { schema = 'public', table = 'outbox' } = lane.outbox
  const name = `${prefix}.outbox`
  const { rows } = await client.query<{ found: boolean }>(
    'SELECT to_regclass(format($1, $2::text, $3::text)) IS NOT NULL AS found',
    ['%I.%I', schema, table],
  )
  if (rows[0]?.found) return [ok(name, `outbox table ${schema}.${table} exists`)]
  return [
    warning(name, { summary: `outbox table ${schema}.${table} does not exist yet`, fix: ['sluice provision'], code: 'SLU-2011' }),
  ]
}
