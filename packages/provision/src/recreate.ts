/**
 * Makes the database of a service anew, empty, for its projector to fill again from the topics.
 *
 * States: old one in place → new one made beside it and migrated → names exchanged in one transaction → old one kept, closed to everybody;
 * or dropped, if it is empty.
 * Whoever is killed before the exchange has changed nothing, after it the new one is in place; a new one that was left beside it goes with the
 * next call. A migration that fails leaves the old one as it is. An advisory lock of database `postgres` keeps two calls apart.
 *
 * C1  Nothing here drops a database that a service has worked with: people do, once they have compared (promise 12).
 * C2  It is refused where the topics are not those that the service was built from, or lack something of what was ever in them.
 */
import { createHash } from 'node:crypto'
import { SluiceError, type TopicPartition, quoteIdentifier, quoteLiteral, quoteQualified } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { type PostgresTarget, sessionsOf, sqlStateOf, withConnection, withDatabase } from '@sluice/postgres'
import { APPLICATION_TABLES, type SystemDefinition, subscriptionsOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import { objectsIn } from './database-objects.ts'

const SESSION = { applicationName: 'sluice provision' }

export interface RecreatePlan {
  readonly service: string
  /** `host:port/database` */
  readonly database: string
  /** False if it does not exist, so that nothing is lost. */
  readonly exists: boolean
  /** Tables with rows; the largest first. */
  readonly tables: readonly RecreatedTable[]
  /** Roles other than its owner with rights on its tables: given again on the tables that are there afterwards. */
  readonly grantees: readonly string[]
  /** What people decided on parked events, in this database alone: edits, and commands to skip or to try again. */
  readonly decisions: bigint
  /** Name of the database that keeps the old one. */
  readonly keptAs: string
  /** Events in the topics that will be applied again, markers of transactions counted with them. */
  readonly offsets: bigint
}

export interface RecreatedTable {
  /** `public.opportunity_index` */
  readonly table: string
  /** About as many, by PostgreSQL's statistics; null where these know of none, as after a crash of the server. */
  readonly rows: bigint | null
  /** False where no mapping and no expectation names it: what the service wrote there does not come back. */
  readonly isProjected: boolean
}

export interface RecreateOptions {
  readonly system: SystemDefinition
  readonly service: string
  readonly target: PostgresTarget
  readonly kafka: KafkaPort
}

/**
 * Says what would be lost and what would be read again; changes nothing.
 *
 * @throws SluiceError SLU-5036 if the topics could not fill it again, or it is a source; SLU-4002; SLU-2001 to SLU-2004
 */
export async function planRecreate(options: RecreateOptions): Promise<RecreatePlan> {
  const { system, service, target } = options
  if (system.services[service]?.outbox) {
    throw notRebuildable(
      options,
      `${service} is a source itself: its outbox has a lane, whose slot and position belong to this database`,
    )
  }
  const { keptAs } = namesBeside(target.database)
  const found = await withConnection(withDatabase(target, 'postgres'), SESSION, async (admin) => {
    const slots = await admin.query<{ name: string }>(
      'SELECT slot_name AS name FROM pg_catalog.pg_replication_slots WHERE database = $1 ORDER BY 1',
      [target.database],
    )
    const [slot] = slots.rows
    if (slot) throw notRebuildable(options, `replication slot "${slot.name}" reads from it`)
    await assertNothingKept(admin, target)
    return exists(admin, target.database)
  })
  const contents = found ? await readContents(options) : NOTHING
  const offsets = await offsetsHeld(options, contents.built)
  const { tables, grantees, decisions } = contents
  return { service, database: target.display, exists: found, keptAs, offsets, tables, grantees, decisions }
}

/**
 * @param make Gives the new database what the service needs: migrations, rights. It is called with the database beside the old one, and
 *   with that one, or null if there is none.
 * @returns name that the old one is kept under; null if there was none, or nothing in it
 * @throws SluiceError SLU-5035 while anybody is connected to the old one, which then stays; those of `make`; SLU-2003 if the role may not
 *   create databases
 */
export async function recreate(
  target: PostgresTarget,
  make: (beside: PostgresTarget, old: PostgresTarget | null) => Promise<void>,
): Promise<string | null> {
  return withConnection(withDatabase(target, 'postgres'), SESSION, async (admin) => {
    await takeTurn(admin, target)
    const name = target.database
    const { fresh, keptAs } = namesBeside(name)
    await assertNothingKept(admin, target)
    await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(fresh)} WITH (FORCE)`)
    const isThere = await exists(admin, name)
    if (isThere) await assertUnused(admin, target)
    await createLike(admin, fresh, isThere ? name : null)
    await make(withDatabase(target, fresh), isThere ? target : null)
    await exchange(admin, target, isThere)
    return isThere && !(await droppedEmpty(admin, withDatabase(target, keptAs))) ? keptAs : null
  })
}

/**
 * `recreate` is refused while the database that it replaced before is kept; a plan asks the same.
 *
 * @param admin Of database `postgres` of the target's server.
 * @throws SluiceError SLU-5036
 */
export async function assertNothingKept(admin: ClientBase, target: PostgresTarget): Promise<void> {
  const { keptAs } = namesBeside(target.database)
  if (await exists(admin, keptAs)) throw keptAlready(target, keptAs)
}

/** An empty one is nothing to keep. It is looked at after the exchange, when nobody works with it any more. */
async function droppedEmpty(admin: ClientBase, kept: PostgresTarget): Promise<boolean> {
  const allow = (connections: boolean): string =>
    `ALTER DATABASE ${quoteIdentifier(kept.database)} ALLOW_CONNECTIONS ${String(connections)}`
  await admin.query(allow(true))
  const [object] = await withConnection(kept, SESSION, (client) => objectsIn(client, 1))
  if (object === undefined) await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(kept.database)} WITH (FORCE)`)
  else await admin.query(allow(false))
  return object === undefined
}

/** What the service was built from, as its own database says. */
interface Built {
  readonly clusters: readonly string[]
  /** How far it has consumed each partition, also of the control topics. */
  readonly consumed: readonly (TopicPartition & { readonly next: bigint })[]
}

/**
 * The number of offsets that the topics of the service hold; all that was ever written there must be among them, and they must be
 * those that it was built from.
 */
async function offsetsHeld(options: RecreateOptions, built: Built): Promise<bigint> {
  const { system, service, kafka } = options
  const admin = await kafka.admin()
  try {
    const { clusterId } = await admin.cluster()
    const other = built.clusters.find((known) => known !== clusterId)
    if (other !== undefined) throw notRebuildable(options, `it was built from Kafka cluster ${other}, and this is ${clusterId}`)
    for (const [topic, places] of Map.groupBy(built.consumed, (place) => place.topic)) {
      const ends = new Map((await admin.offsets(topic)).map(({ partition, high }) => [partition, high]))
      for (const { partition, next } of places) {
        const end = ends.get(partition) ?? 0n
        if (next > end)
          throw notRebuildable(
            options,
            `topic ${topic}, partition ${partition}, ends at offset ${end}: the service has consumed it up to ${next}`,
          )
      }
    }
    let held = 0n
    for (const topic of subscriptionsOf(system, service).flatMap(({ topics }) => topics)) {
      const policy = (await admin.topicConfig(topic))['cleanup.policy'] ?? 'delete'
      if (policy.includes('compact'))
        throw notRebuildable(options, `topic ${topic} is compacted, so that it lacks earlier events of its keys`)
      for (const { partition, low, high } of await admin.offsets(topic)) {
        if (low > 0n) {
          throw notRebuildable(
            options,
            `topic ${topic}, partition ${partition}, begins at offset ${low}: retention has removed what came before`,
          )
        }
        held += high
      }
    }
    return held
  } finally {
    await admin.close()
  }
}

function notRebuildable({ service, target }: RecreateOptions, why: string): SluiceError {
  return new SluiceError('SERVICE_NOT_REBUILDABLE', {
    what: `the database of ${service} (${target.display}) is not made anew`,
    why,
    ways: [
      'a table that lacks rows is mended where it is: sluice backfill start <table>',
      'restore the database from a backup; the projector goes on from the position in it',
      'a rebuild from the event store comes with replay, and is not there yet',
    ],
  })
}

interface Contents extends Pick<RecreatePlan, 'tables' | 'grantees' | 'decisions'> {
  readonly built: Built
}

const NOTHING: Contents = { tables: [], grantees: [], decisions: 0n, built: { clusters: [], consumed: [] } }

async function readContents({ system, service, target }: RecreateOptions): Promise<Contents> {
  const projected = new Set(
    (system.services[service]?.projections ?? []).flatMap((p) =>
      p.kind === 'mapping' ? [`${p.targetSchema}.${p.target}`] : p.expectations.map((e) => `${e.targetSchema}.${e.target}`),
    ),
  )
  return withConnection(target, SESSION, async (client) => {
    const tables = await tablesWithRows(client)
    const grantees = await client.query<{ role: string }>(
      `SELECT DISTINCT pg_get_userbyid(a.grantee) AS role
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee NOT IN (0, c.relowner) ORDER BY 1`,
    )
    return {
      tables: tables.map((t) => ({ ...t, isProjected: projected.has(t.table) })),
      grantees: grantees.rows.map(({ role }) => role),
      decisions: await decisionsIn(client),
      built: await builtFrom(client),
    }
  })
}

/** Whether a table has rows is asked of the table: statistics are gone after a crash, and on a standby that took over. */
async function tablesWithRows(client: ClientBase): Promise<readonly Omit<RecreatedTable, 'isProjected'>[]> {
  const { rows: tables } = await client.query<{ schema: string; name: string; rows: string | null }>(
    `SELECT schema, name, nullif(rows, 0)::text AS rows
     FROM (SELECT t.schema, t.name, (SELECT sum(pg_stat_get_live_tuples(p.relid))
         FROM (SELECT t.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(t.oid)) AS p) AS rows
       FROM (${APPLICATION_TABLES}) AS t) AS counted
     ORDER BY counted.rows DESC, 1, 2`,
  )
  if (tables.length === 0) return []
  const probes = tables.map(({ schema, name }, i) => `EXISTS (SELECT FROM ${quoteQualified(schema, name)}) AS t${i}`)
  const { rows } = await client.query<Record<string, boolean>>(`SELECT ${probes.join(', ')}`)
  return tables.flatMap(({ schema, name, rows: live }, i) =>
    rows[0]?.[`t${i}`] === true ? [{ table: `${schema}.${name}`, rows: live === null ? null : BigInt(live) }] : [],
  )
}

async function isTable(client: ClientBase, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [`public.${name}`])
  return rows[0]?.found === true
}

async function decisionsIn(client: ClientBase): Promise<bigint> {
  let decisions = 0n
  for (const table of ['parked_event_edits', 'parked_event_commands']) {
    if (!(await isTable(client, table))) continue
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*)::text AS count FROM ${quoteQualified('public', table)}`,
    )
    decisions += BigInt(rows[0]?.count ?? 0)
  }
  return decisions
}

async function builtFrom(client: ClientBase): Promise<Built> {
  if (!(await isTable(client, 'projector_positions'))) return NOTHING.built
  const clusters = await client.query<{ id: string }>('SELECT DISTINCT cluster_id AS id FROM public.projector_positions')
  const consumed = await client.query<{ topic: string; partition: number; next: string }>(
    'SELECT topic, partition, next_offset::text AS next FROM public.consumed_offsets ORDER BY 1, 2',
  )
  return {
    clusters: clusters.rows.map(({ id }) => id),
    consumed: consumed.rows.map(({ topic, partition, next }) => ({ topic, partition, next: BigInt(next) })),
  }
}

/** Names of the two databases that may stand beside the service's; of a long name a part is a hash, since PostgreSQL cuts at 63 bytes. */
function namesBeside(name: string): { readonly fresh: string; readonly keptAs: string } {
  const base = Buffer.byteLength(name) <= 50 ? name : createHash('sha256').update(name).digest('hex').slice(0, 50)
  return { fresh: `${base}_sluice_new`, keptAs: `${base}_sluice_old` }
}

async function takeTurn(admin: ClientBase, target: PostgresTarget): Promise<void> {
  const { rows } = await admin.query<{ taken: boolean }>('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken', [
    `sluice recreate ${target.database}`,
  ])
  if (rows[0]?.taken === true) return
  throw new SluiceError('SERVICE_IN_USE', {
    what: `${target.display} is not made anew`,
    why: 'another call is making it anew',
    ways: ['wait until that one has ended'],
  })
}

async function exists(admin: ClientBase, database: string): Promise<boolean> {
  const { rowCount } = await admin.query('SELECT FROM pg_catalog.pg_database WHERE datname = $1', [database])
  return rowCount !== 0
}

async function assertUnused(admin: ClientBase, target: PostgresTarget): Promise<void> {
  // A session of the plan may not have gone yet; PostgreSQL waits for that one, and refuses for any that stays.
  const sessions = (await sessionsOf(admin, target.database)).filter((name) => !name.startsWith(SESSION.applicationName))
  if (sessions.length > 0) throw inUse(target, sessions)
}

function inUse(target: PostgresTarget, sessions: readonly string[]): SluiceError {
  return new SluiceError('SERVICE_IN_USE', {
    what: `${target.display} is not made anew`,
    why: `it is in use: ${sessions.join(', ') || 'a session that has ended since'}`,
    ways: [`stop "sluice run projector ${target.name}", "sluice run all" and the service itself, then call it again`],
  })
}

function keptAlready(target: PostgresTarget, keptAs: string): SluiceError {
  return new SluiceError('SERVICE_NOT_REBUILDABLE', {
    what: `${target.display} is not made anew`,
    why: `database ${keptAs} is there: it keeps what an earlier call replaced`,
    ways: [
      `sluice verify --service ${target.name}    then, if all is equal: DROP DATABASE ${quoteIdentifier(keptAs)}`,
      `back to it: DROP DATABASE ${quoteIdentifier(target.database)}; ALTER DATABASE ${quoteIdentifier(keptAs)} RENAME TO ${quoteIdentifier(target.database)}; ` +
        `ALTER DATABASE ${quoteIdentifier(target.database)} ALLOW_CONNECTIONS true`,
    ],
  })
}

interface DatabaseProperties {
  readonly owner: string
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  readonly provider: string
  readonly locale: string | null
  readonly comment: string | null
  /** Null: that of the template, which nobody needs a right for. */
  readonly tablespace: string | null
  readonly connections: number
}

/** With the owner, locale, place, limit, comment, settings and rights of another one, which are of the database itself and in no migration. */
async function createLike(admin: ClientBase, name: string, model: string | null): Promise<void> {
  const quoted = quoteIdentifier(name)
  if (model === null) {
    await admin.query(`CREATE DATABASE ${quoted} TEMPLATE template0`)
    return
  }
  // The column of the locale has another name since version 17.
  const { rows } = await admin.query<DatabaseProperties>(
    `SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype,
       datlocprovider AS provider, coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') AS locale,
       shobj_description(oid, 'pg_database') AS comment, datconnlimit AS connections,
       (SELECT spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = d.dattablespace AND t.oid <>
         (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = 'template0')) AS tablespace
     FROM pg_catalog.pg_database d WHERE datname = $1`,
    [model],
  )
  const { owner, encoding, collate, ctype, provider, locale, comment, tablespace, connections } = rows[0]!
  const providers: Readonly<Record<string, string>> = { i: 'icu ICU_LOCALE', b: 'builtin BUILTIN_LOCALE' }
  // Named in any case: the template's may be another one.
  const kind = providers[provider] && locale !== null ? `${providers[provider]} ${quoteLiteral(locale)}` : 'libc'
  await admin.query(
    `CREATE DATABASE ${quoted} OWNER ${quoteIdentifier(owner)} TEMPLATE template0 ENCODING ${quoteLiteral(encoding)}
       LC_COLLATE ${quoteLiteral(collate)} LC_CTYPE ${quoteLiteral(ctype)} LOCALE_PROVIDER ${kind}
       ${tablespace === null ? '' : `TABLESPACE ${quoteIdentifier(tablespace)}`} CONNECTION LIMIT ${connections}`,
  )
  if (comment !== null) await admin.query(`COMMENT ON DATABASE ${quoted} IS ${quoteLiteral(comment)}`)
  await copySettings(admin, quoted, model)
  await copyRights(admin, quoted, model)
}

/** FROM CURRENT takes lists, such as a search_path, as they are. */
async function copySettings(admin: ClientBase, quoted: string, model: string): Promise<void> {
  const { rows } = await admin.query<{ role: string | null; setting: string }>(
    `SELECT quote_ident(r.rolname) AS role, unnest(s.setconfig) AS setting
     FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
     LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE d.datname = $1`,
    [model],
  )
  for (const { role, setting } of rows) {
    const name = setting.slice(0, setting.indexOf('='))
    await admin.query('BEGIN')
    await admin.query('SELECT set_config($1, $2, true)', [name, setting.slice(name.length + 1)])
    const whose = role === null ? `DATABASE ${quoted}` : `ROLE ${role} IN DATABASE ${quoted}`
    await admin.query(`ALTER ${whose} SET ${name.split('.').map(quoteIdentifier).join('.')} FROM CURRENT`)
    await admin.query('COMMIT')
  }
}

async function copyRights(admin: ClientBase, quoted: string, model: string): Promise<void> {
  const { rows } = await admin.query<{ role: string; privilege: string; grantable: boolean }>(
    `SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role,
       a.privilege_type AS privilege, a.is_grantable AS grantable
     FROM pg_catalog.pg_database d CROSS JOIN aclexplode(d.datacl) a WHERE d.datname = $1`,
    [model],
  )
  // Without rights of its own it has PostgreSQL's, as the new one.
  if (rows.length === 0) return
  await admin.query(`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC`)
  for (const { role, privilege, grantable } of rows) {
    await admin.query(`GRANT ${privilege} ON DATABASE ${quoted} TO ${role}${grantable ? ' WITH GRANT OPTION' : ''}`)
  }
}

/** PostgreSQL renames no database that somebody is connected to, and waits some seconds for them. */
async function exchange(admin: ClientBase, target: PostgresTarget, isThere: boolean): Promise<void> {
  const name = target.database
  const { fresh, keptAs } = namesBeside(name)
  const rename = (from: string, to: string): string => `ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)}`
  const keep = [rename(name, keptAs), `ALTER DATABASE ${quoteIdentifier(keptAs)} ALLOW_CONNECTIONS false`]
  try {
    await admin.query(['BEGIN', ...(isThere ? keep : []), rename(fresh, name), 'COMMIT'].join('; '))
  } catch (error) {
    // Where the connection broke, this fails too, and the first error says more.
    await admin.query('ROLLBACK').catch(() => undefined)
    if (sqlStateOf(error) !== '55006') throw error
    throw inUse(target, await sessionsOf(admin, name))
  }
}
