/**
 * Erasing a subject: its key is destroyed, so that whatever was encrypted with it can be read by nobody, and granted clear values
 * are overwritten. Stored events, messages and the hash chain stay as they are. There is no way back.
 *
 *   journal and key, one transaction ─▶ each service, one transaction ─▶ journal finished
 *
 * Killed anywhere, the same command does the rest: every step may be done again. The list of erased subjects stands in the pipeline
 * database and in every service database, so that a copy of one that is older than an erasure gets it from the others
 * (`applyRecordedErasures`) before it is used.
 */
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { MasterKeys } from './master-keys.ts'
import { type OverwrittenColumn, clearValuesOf, eraseInService, erasedInService } from './service-erasure.ts'
import { requireKind, sourceSubjectId } from './subject-form.ts'
import { type SystemKeys, readSystemKeys } from './system-secret.ts'

const SESSION = { applicationName: 'sluice erase' }

export interface ErasurePlaces {
  readonly system: SystemDefinition
  readonly pipeline: PostgresTarget
  /** Every service of the system. */
  readonly services: Readonly<Record<string, PostgresTarget>>
  readonly master: MasterKeys
}

export interface ErasureRequest {
  readonly kind: string
  /** PostgreSQL's text of the subject column in the source. It is stored nowhere. */
  readonly subject: string
  readonly requestedBy: string
  /** Says what would be done, and changes nothing. */
  readonly isDryRun: boolean
}

export interface ErasureReport {
  readonly subjectId: string
  /** What the pipeline database knew of the subject before. */
  readonly key: 'destroyed' | 'destroyed before' | 'never made'
  readonly services: readonly { readonly service: string; readonly columns: readonly OverwrittenColumn[] }[]
}

/** @throws SluiceError SLU-1001, SLU-8001, SLU-8002, SLU-2001 to SLU-2004 */
export async function eraseSubject(places: ErasurePlaces, request: ErasureRequest): Promise<ErasureReport> {
  const { system, pipeline } = places
  requireKind(system, request.kind)
  return withConnection(pipeline, SESSION, async (client) => {
    const keys = await requireKeys(client, places)
    const subjectId = await sourceSubjectId(client, system, keys, request)
    const { rows } = await client.query<{ is_destroyed: boolean }>(
      'SELECT destroyed_at IS NOT NULL AS is_destroyed FROM subject_keys WHERE system_name = $1 AND subject_id = $2',
      [system.name, subjectId],
    )
    const key = rows[0] === undefined ? 'never made' : rows[0].is_destroyed ? 'destroyed before' : 'destroyed'
    const id = request.isDryRun ? null : await destroyKeys(client, system.name, [subjectId], request.requestedBy)
    const services: { service: string; columns: readonly OverwrittenColumn[] }[] = []
    for (const [service, target] of Object.entries(places.services)) {
      const definition = system.services[service]!
      const columns = await withConnection(target, SESSION, (serviceClient) =>
        (request.isDryRun ? clearValuesOf : eraseInService)(serviceClient, definition, keys, [subjectId]),
      )
      services.push({ service, columns })
    }
    if (id !== null)
      await finish(
        client,
        id,
        services.flatMap((s) => s.columns),
      )
    return { subjectId, key, services }
  })
}

/** Databases that lacked erasures, and how many. */
export type AppliedErasures = readonly { readonly place: string; readonly subjects: number }[]

/**
 * Gives every database the erasures that any of them remembers: for one that was restored from an older copy.
 *
 * @throws SluiceError SLU-8001, SLU-8002, SLU-2001 to SLU-2004
 */
export async function applyRecordedErasures(places: ErasurePlaces, requestedBy: string): Promise<AppliedErasures> {
  const { system } = places
  return withConnection(places.pipeline, SESSION, async (client) => {
    const keys = await requireKeys(client, places)
    const known = new Map<string, ReadonlySet<string>>()
    for (const [service, target] of Object.entries(places.services)) {
      known.set(service, await withConnection(target, SESSION, (serviceClient) => erasedInService(serviceClient, system.name)))
    }
    const inPipeline = await erasedInPipeline(client, system.name)
    const all = [...new Set([...inPipeline, ...[...known.values()].flatMap((ids) => [...ids])])]
    const applied: { place: string; subjects: number }[] = []
    const lost = all.filter((id) => !inPipeline.has(id))
    if (lost.length > 0) {
      const id = await destroyKeys(client, system.name, lost, requestedBy)
      await finish(client, id, [])
      applied.push({ place: 'pipeline', subjects: lost.length })
    }
    for (const [service, ids] of known) {
      const missing = all.filter((id) => !ids.has(id))
      if (missing.length === 0) continue
      await withConnection(places.services[service]!, SESSION, (serviceClient) =>
        eraseInService(serviceClient, system.services[service]!, keys, missing),
      )
      applied.push({ place: service, subjects: missing.length })
    }
    return applied
  })
}

/** Subjects whose keys are destroyed. */
export async function erasedInPipeline(client: ClientBase, system: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ subject_id: string }>(
    'SELECT subject_id FROM subject_keys WHERE system_name = $1 AND destroyed_at IS NOT NULL',
    [system],
  )
  return new Set(rows.map((row) => row.subject_id))
}

/** Writes the journal and destroys the keys, in one statement. Returns the rows of the journal. */
async function destroyKeys(
  client: ClientBase,
  system: string,
  subjectIds: readonly string[],
  requestedBy: string,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `WITH destroyed AS (
       INSERT INTO subject_keys AS k (system_name, subject_id, wrapped_key, destroyed_at)
       SELECT $1, e.id, NULL, now() FROM unnest($2::text[]) AS e (id)
       ON CONFLICT (system_name, subject_id) DO UPDATE SET wrapped_key = NULL, destroyed_at = coalesce(k.destroyed_at, now()))
     INSERT INTO subject_erasures (system_name, subject_id, requested_by)
     SELECT $1, e.id, $3 FROM unnest($2::text[]) AS e (id) RETURNING id::text`,
    [system, subjectIds, requestedBy],
  )
  return rows.map((row) => row.id)
}

async function finish(client: ClientBase, ids: readonly string[], columns: readonly OverwrittenColumn[]): Promise<void> {
  const overwritten = columns.reduce((sum, column) => sum + column.values, 0)
  await client.query('UPDATE subject_erasures SET finished_at = now(), overwritten = $2 WHERE id = ANY ($1::bigint[])', [
    ids,
    overwritten,
  ])
}

/** A system whose reader has not begun has no secret yet: it is made, so that the erasure holds from the first event on. */
async function requireKeys(client: ClientBase, { system, master }: ErasurePlaces): Promise<SystemKeys> {
  return (await readSystemKeys(client, system.name, master, { mayMake: true }))!
}
