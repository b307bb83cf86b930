/**
 * Wraps every key of a system with the current master key, a set at a time. Only the wrapping changes: nothing that was
 * encrypted is touched, and readers and projectors go on meanwhile with both master keys at hand.
 *
 * Killed anywhere, some keys are wrapped anew and the others as before; the next run does the rest.
 */
import { type PostgresTarget, connect, toPostgresError, withConnection } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { type MasterKeys, unwrapKey, wrapKey } from './master-keys.ts'
import { subjectBound } from './subject-keys.ts'
import { secretBound } from './system-secret.ts'

const KEYS_OF_A_SET = 1_000

export interface KeyRotation {
  readonly system: string
  readonly pipeline: PostgresTarget
  readonly master: MasterKeys
  readonly signal: AbortSignal
  readonly onProgress?: (wrapped: number) => void
}

/** @returns keys that were wrapped anew. @throws SluiceError SLU-8001 if one is wrapped with a master key that is not at hand */
export async function rotateKeys(rotation: KeyRotation): Promise<number> {
  const { pipeline, signal } = rotation
  const client = await connect(pipeline, { applicationName: 'sluice keys' })
  try {
    let wrapped = await rotateSecret(client, rotation)
    for (let after: string | null = ''; after !== null && !signal.aborted;) {
      const set = await rotateSet(client, rotation, after)
      wrapped += set.wrapped
      after = set.last
      rotation.onProgress?.(wrapped)
    }
    return wrapped
  } catch (error) {
    throw toPostgresError(error, pipeline)
  } finally {
    await client.end()
  }
}

/** How many keys `rotateKeys` would wrap anew; changes nothing. */
export async function countKeysToRotate({
  system,
  pipeline,
  master,
}: Pick<KeyRotation, 'system' | 'pipeline' | 'master'>): Promise<number> {
  return withConnection(pipeline, { applicationName: 'sluice keys' }, async (client) => {
    const { rows } = await client.query<{ keys: string }>(
      `SELECT (SELECT count(*) FROM system_secrets WHERE system_name = $1 AND split_part(wrapped_secret, '.', 1) <> $2)
         + (SELECT count(*) FROM subject_keys WHERE system_name = $1 AND split_part(wrapped_key, '.', 1) <> $2) AS keys`,
      [system, master.current],
    )
    return Number(rows[0]!.keys)
  })
}

async function rotateSecret(client: ClientBase, { system, master }: KeyRotation): Promise<number> {
  const { rows } = await client.query<{ wrapped_secret: string }>(
    `SELECT wrapped_secret FROM system_secrets WHERE system_name = $1 AND split_part(wrapped_secret, '.', 1) <> $2`,
    [system, master.current],
  )
  const [row] = rows
  if (!row) return 0
  const bound = secretBound(system)
  const anew = wrapKey(master, unwrapKey(master, row.wrapped_secret, bound), bound)
  const { rowCount } = await client.query(
    'UPDATE system_secrets SET wrapped_secret = $3 WHERE system_name = $1 AND wrapped_secret = $2',
    [system, row.wrapped_secret, anew],
  )
  return rowCount ?? 0
}

async function rotateSet(
  client: ClientBase,
  { system, master }: KeyRotation,
  after: string,
): Promise<{ readonly wrapped: number; readonly last: string | null }> {
  const { rows } = await client.query<{ subject_id: string; wrapped_key: string }>(
    `SELECT subject_id, wrapped_key FROM subject_keys WHERE system_name = $1 AND subject_id > $2
       AND split_part(wrapped_key, '.', 1) <> $3 ORDER BY subject_id LIMIT ${KEYS_OF_A_SET}`,
    [system, after, master.current],
  )
  const last = rows.at(-1)
  if (!last) return { wrapped: 0, last: null }
  const anew = rows.map(({ subject_id: id, wrapped_key: key }) => {
    const bound = subjectBound(system, id)
    return wrapKey(master, unwrapKey(master, key, bound), bound)
  })
  // By compare-and-set: a key that was destroyed meanwhile stays destroyed.
  const { rowCount } = await client.query(
    `UPDATE subject_keys k SET wrapped_key = n.anew FROM unnest($2::text[], $3::text[], $4::text[]) AS n (id, old, anew)
     WHERE k.system_name = $1 AND k.subject_id = n.id AND k.wrapped_key = n.old`,
    [system, rows.map((row) => row.subject_id), rows.map((row) => row.wrapped_key), anew],
  )
  return { wrapped: rowCount ?? 0, last: last.subject_id }
}
