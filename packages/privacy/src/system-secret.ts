/** The secret of a system: made once, kept wrapped in the pipeline database, and the keys that are derived from it. */
import { type KeyObject, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import type { ClientBase } from 'pg'
import { KEY_BYTES } from './aes-gcm.ts'
import { type MasterKeys, unwrapKey, wrapKey } from './master-keys.ts'

export interface SystemKeys {
  readonly system: string
  /** Hashes columns: the same for all of a system, so that joins and unique keys survive. */
  readonly hash: KeyObject
  /** Gives subjects their ids. */
  readonly subject: KeyObject
  /** Seals primary keys in the checkpoints of a load. */
  readonly checkpoint: KeyObject
}

/** Reads the system's secret, and makes it if `mayMake`; null if there is none. @throws SluiceError SLU-8001, SLU-8002 */
export async function readSystemKeys(
  client: ClientBase,
  system: string,
  master: MasterKeys,
  { mayMake }: { readonly mayMake: boolean },
): Promise<SystemKeys | null> {
  // Of two processes that make it at once one finds the other's.
  if (mayMake) {
    await client.query('INSERT INTO system_secrets (system_name, wrapped_secret) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      system,
      wrapKey(master, randomBytes(KEY_BYTES), secretBound(system)),
    ])
  }
  const { rows } = await client.query<{ wrapped_secret: string }>(
    'SELECT wrapped_secret FROM system_secrets WHERE system_name = $1',
    [system],
  )
  const [row] = rows
  if (!row) return null
  const secret = unwrapKey(master, row.wrapped_secret, secretBound(system))
  const derive = (purpose: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `sluice ${purpose}`, KEY_BYTES)))
  return { system, hash: derive('hash'), subject: derive('subject'), checkpoint: derive('checkpoint') }
}

/** What a system's wrapped secret belongs to. */
export function secretBound(system: string): string {
  return `secret/${system}`
}
