/**
 * Checks of a server that a lane reads: version, WAL, slots, rights.
 *
 * https://www.postgresql.org/docs/current/logical-replication-config.html
 */
import type { HealthCheck } from '@sluice/core'
import type { LaneDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'

/** Logical messages with `messages`, and `wal_status`, are there from 14 on; 15 is what is tested. */
const VERSION_MINIMUM = 15

interface ServerRow {
  readonly version: number
  readonly version_text: string
  readonly wal_level: string
  readonly slots_max: number
  readonly slots_used: number
  readonly senders_max: number
  readonly senders_used: number
  readonly wal_keep: string
  readonly commit_timestamp: string
  readonly role: string
  readonly may_replicate: boolean
  readonly is_standby: boolean
}

const SERVER = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_text,
    current_setting('wal_level') AS wal_level,
    current_setting('max_replication_slots')::int AS slots_max,
    (SELECT count(*)::int FROM pg_catalog.pg_replication_slots) AS slots_used,
    current_setting('max_wal_senders')::int AS senders_max,
    (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'walsender') AS senders_used,
    current_setting('max_slot_wal_keep_size') AS wal_keep,
    current_setting('track_commit_timestamp') AS commit_timestamp,
    current_user::text AS role,
    (SELECT r.rolreplication OR r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
      OR EXISTS (SELECT FROM pg_catalog.pg_roles m WHERE m.rolname = 'rds_replication'
        AND pg_catalog.pg_has_role(current_user, m.oid, 'MEMBER')) AS may_replicate,
    pg_catalog.pg_is_in_recovery() AS is_standby`

export async function checkSourceServer(
  prefix: string,
  client: ClientBase,
  lane: LaneDefinition,
): Promise<readonly HealthCheck[]> {
  const { rows } = await client.query<ServerRow>(SERVER)
  const server = rows[0]!
  return [
    versionCheck(prefix, server.version, server.version_text),
    walLevelCheck(prefix, server),
    await slotsCheck(prefix, client, server, lane),
    sendersCheck(prefix, server),
    keepSizeCheck(prefix, server),
    replicationCheck(prefix, server),
    commitTimestampCheck(prefix, server.commit_timestamp),
  ]
}

export function versionCheck(prefix: string, version: number, text: string): HealthCheck {
  const name = `${prefix}.version`
  if (version >= VERSION_MINIMUM * 10_000) return ok(name, `PostgreSQL ${text}`)
  return failed(name, {
    summary: `PostgreSQL ${text}, ${VERSION_MINIMUM} or newer is needed`,
    fix: [`upgrade the server to ${VERSION_MINIMUM} or newer: https://www.postgresql.org/docs/current/upgrading.html`],
  })
}

function walLevelCheck(prefix: string, { wal_level: level }: ServerRow): HealthCheck {
  const name = `${prefix}.wal_level`
  if (level === 'logical') return ok(name, 'wal_level is logical')
  return failed(name, {
    summary: `wal_level is ${level}`,
    cause: 'the WAL does not hold what logical replication needs',
    fix: ['ALTER SYSTEM SET wal_level = logical;    -- then restart PostgreSQL'],
    code: 'SLU-2010',
  })
}

async function slotsCheck(prefix: string, client: ClientBase, server: ServerRow, lane: LaneDefinition): Promise<HealthCheck> {
  const name = `${prefix}.replication_slots`
  const { rows } = await client.query<{ exists: boolean }>(
    'SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1) AS exists',
    [lane.slotName],
  )
  // The lane's own slot, and a temporary one for verify or a resumed load.
  const needed = rows[0]!.exists ? 1 : 2
  const free = server.slots_max - server.slots_used
  const summary = `${free} of ${server.slots_max} replication slots are free, ${needed} needed`
  if (free >= needed) return ok(name, summary)
  return failed(name, {
    summary,
    fix: [
      `ALTER SYSTEM SET max_replication_slots = ${server.slots_used + needed + 2};    -- then restart PostgreSQL`,
      'SELECT slot_name, active FROM pg_replication_slots;    -- then pg_drop_replication_slot those that are retired',
    ],
    code: 'SLU-2024',
  })
}

function sendersCheck(prefix: string, server: ServerRow): HealthCheck {
  const name = `${prefix}.wal_senders`
  const free = server.senders_max - server.senders_used
  const summary = `${free} of ${server.senders_max} WAL senders are free, 2 needed`
  if (free >= 2) return ok(name, summary)
  const fix = [`ALTER SYSTEM SET max_wal_senders = ${server.senders_used + 4};    -- then restart PostgreSQL`]
  // The reader itself may be one of those that run.
  return server.senders_max >= 2 && free > 0 ? warning(name, { summary, fix }) : failed(name, { summary, fix })
}

function keepSizeCheck(prefix: string, { wal_keep: keep }: ServerRow): HealthCheck {
  const name = `${prefix}.max_slot_wal_keep_size`
  if (keep !== '-1') return ok(name, `a slot may keep ${keep} of WAL; past that PostgreSQL drops it`)
  return warning(name, {
    summary: 'no limit set: a reader that stands still fills the disk',
    fix: [
      "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();    -- less than the free disk",
      'alert on sluice_slot_retained_wal_bytes',
    ],
  })
}

function replicationCheck(prefix: string, server: ServerRow): HealthCheck {
  const name = `${prefix}.replication_privilege`
  if (server.is_standby) {
    return failed(name, {
      summary: 'the server is a standby',
      cause: 'the reader creates a publication and emits messages, which only a primary takes',
      fix: ['point the URL at the primary'],
    })
  }
  if (server.may_replicate) return ok(name, `role "${server.role}" may replicate`)
  return failed(name, {
    summary: `role "${server.role}" may not replicate`,
    fix: [
      `ALTER ROLE "${server.role}" REPLICATION;    -- as a superuser`,
      `GRANT rds_replication TO "${server.role}";    -- on Amazon RDS and Aurora`,
    ],
    code: 'SLU-2003',
  })
}

export function commitTimestampCheck(prefix: string, setting: string): HealthCheck {
  const name = `${prefix}.track_commit_timestamp`
  if (setting === 'on') return ok(name, 'track_commit_timestamp is on')
  return warning(name, {
    summary: 'track_commit_timestamp is off: latency is measured by the clocks of the processes only',
    fix: ['ALTER SYSTEM SET track_commit_timestamp = on;    -- then restart PostgreSQL; optional'],
  })
}
