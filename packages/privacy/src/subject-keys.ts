/**
 * The keys of subjects, in the pipeline database: got or made in sets, one statement for those that exist.
 *
 * K1  Every call asks the database which subjects are erased; only unwrapped keys are remembered, at most `CACHED_KEYS_MAX`.
 * K2  A new key is committed before a value is sealed with it. Killed between the two, it is a key that nothing uses.
 * K3  An erased subject keeps its row, so it never gets a key again.
 */
import { type KeyObject, createSecretKey, randomBytes } from 'node:crypto'
import type { ClientBase } from 'pg'
import { KEY_BYTES } from './aes-gcm.ts'
import { type MasterKeys, unwrapKey, wrapKey } from './master-keys.ts'

/** About 5 MB. */
const CACHED_KEYS_MAX = 20_000

interface CachedKey {
  readonly wrapped: string
  readonly key: KeyObject
}

export class SubjectKeys {
  readonly #system: string
  readonly #master: MasterKeys
  readonly #cache = new Map<string, CachedKey>()

  constructor(system: string, master: MasterKeys) {
    this.#system = system
    this.#master = master
  }

  /** Keys of subjects; null for one that is erased. Subjects without a key get one. */
  async getOrMake(client: ClientBase, subjectIds: readonly string[]): Promise<ReadonlyMap<string, KeyObject | null>> {
    const found = new Map(await this.read(client, subjectIds))
    const missing = subjectIds.filter((id) => !found.has(id))
    if (missing.length === 0) return found
    const wrapped = missing.map((id) => this.#make(id))
    await client.query(
      `INSERT INTO subject_keys (system_name, subject_id, wrapped_key)
       SELECT $1, n.id, n.wrapped FROM unnest($2::text[], $3::text[]) AS n (id, wrapped) ORDER BY n.id ON CONFLICT DO NOTHING`,
      [this.#system, missing, wrapped],
    )
    // Another reader may have made some of them first, or an erasure may have come before.
    for (const [id, key] of await this.read(client, missing)) found.set(id, key)
    return found
  }

  /** Keys of subjects; null for one that is erased. A subject without a row is left out. */
  async read(client: ClientBase, subjectIds: readonly string[]): Promise<ReadonlyMap<string, KeyObject | null>> {
    const { rows } = await client.query<{ subject_id: string; wrapped_key: string | null }>(
      'SELECT subject_id, wrapped_key FROM subject_keys WHERE system_name = $1 AND subject_id = ANY ($2::text[])',
      [this.#system, subjectIds],
    )
    return new Map(
      rows.map((row) => [row.subject_id, row.wrapped_key === null ? null : this.#unwrap(row.subject_id, row.wrapped_key)]),
    )
  }

  #make(id: string): string {
    const bytes = randomBytes(KEY_BYTES)
    const wrapped = wrapKey(this.#master, bytes, subjectBound(this.#system, id))
    this.#remember(id, wrapped, bytes)
    return wrapped
  }

  #unwrap(id: string, wrapped: string): KeyObject {
    const cached = this.#cache.get(id)
    if (cached?.wrapped === wrapped) return cached.key
    return this.#remember(id, wrapped, unwrapKey(this.#master, wrapped, subjectBound(this.#system, id)))
  }

  #remember(id: string, wrapped: string, bytes: Buffer): KeyObject {
    const key = createSecretKey(bytes)
    // The oldest goes: a Map keeps the order in which keys came.
    if (this.#cache.size >= CACHED_KEYS_MAX) for (const oldest of this.#cache.keys()) if (this.#cache.delete(oldest)) break
    this.#cache.set(id, { wrapped, key })
    return key
  }
}

/** What a subject's wrapped key belongs to. */
export function subjectBound(system: string, subjectId: string): string {
  return `subject/${system}/${subjectId}`
}
