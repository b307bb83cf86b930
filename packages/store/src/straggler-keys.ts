/**
 * Rows of a load that must be read again by key: their key moved into the part that was loaded already, while the load was
 * interrupted. Noted in the transaction that stores the move, and settled in the one that stores the rows.
 */
import type { Lsn, Uuid } from '@sluice/core'
import { formatLsn } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface StragglerKeys {
  readonly migrationId: Uuid
  /** Each a key in key order, as PostgreSQL's text. */
  readonly keys: readonly (readonly string[])[]
  /** The snapshot that they are to be read under, or were. */
  readonly snapshotLsn: Lsn
}

/** Notes keys that are to be read again. */
export async function noteStragglers(client: ClientBase, { migrationId, keys, snapshotLsn }: StragglerKeys): Promise<void> {
  await insertKeys(client, migrationId, snapshotLsn, { kind: 'keys', noted: keys })
}

/** The keys were read again under a snapshot; run it alongside the append that stores the rows found. */
export async function settleStragglers(
  client: ClientBase,
  { migrationId, keys, snapshotLsn, rows }: StragglerKeys & { readonly rows: number },
): Promise<void> {
  await insertKeys(client, migrationId, snapshotLsn, { kind: 'keys', read: keys, rows })
  await client.query('UPDATE data_migration_state SET total_processed = total_processed + $2 WHERE id = $1', [migrationId, rows])
}

/** Keys that were noted and not yet settled. */
export async function pendingStragglers(client: ClientBase, migrationId: Uuid): Promise<readonly (readonly string[])[]> {
  const { rows } = await client.query<{ noted: string[][] | null; read: string[][] | null }>(
    `SELECT checkpoint_data -> 'noted' AS noted, checkpoint_data -> 'read' AS read
     FROM migration_checkpoints WHERE migration_id = $1 AND checkpoint_data ->> 'kind' = 'keys' ORDER BY id`,
    [migrationId],
  )
  const pending = new Map<string, readonly string[]>()
  for (const { noted, read } of rows) {
    for (const key of noted ?? []) pending.set(JSON.stringify(key), key)
    for (const key of read ?? []) pending.delete(JSON.stringify(key))
  }
  return [...pending.values()]
}

async function insertKeys(client: ClientBase, migrationId: Uuid, snapshotLsn: Lsn, data: object): Promise<void> {
  await client.query(
    'INSERT INTO migration_checkpoints (migration_id, snapshot_lsn, checkpoint_data) VALUES ($1, $2::pg_lsn, $3::jsonb)',
    [migrationId, formatLsn(snapshotLsn), JSON.stringify(data)],
  )
}
