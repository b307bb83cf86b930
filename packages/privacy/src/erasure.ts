/**
 * Erasing a subject: its key is destroyed, so that whatever was encrypted with it can be read by nobody, and granted clear values
 * are overwritten. Stored events, messages and the hash chain stay as they are. There is no way back.
 *
 *   journal and key, one transaction ─▶ each service, one transaction ─▶ source ─▶ journal finished
 *
 * Killed anywhere, the same command does the rest: every step may be done again. The list of erased subjects stands in the pipeline
 * database, in the source and in every service database, so that a copy of one that is older than an erasure gets it from the
 * others before it is used: by the reader (`Capture.meetErasures`), by a projector with grants, or by `applyRecordedErasures`.
 */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { MasterKeys } from './master-keys.ts'
import { type OverwrittenColumn, clearValuesOf, eraseInService, erasedInService } from './service-erasure.ts'
import { erasedInSource, recordInSource } from './source-erasures.ts'
import { requireKind, sourceSubjectId } from './subject-form.ts'
import { type SystemKeys, readSystemKeys } from './system-secret.ts'

const SESSION = { applicationName: 'sluice erase' }

/** Databases that remember erasures. */
export interface RecordPlaces {
  readonly system: SystemDefinition
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

/** With every service of the system. */
export interface ErasurePlaces extends RecordPlaces {
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
    if (id !== null) {
      // After the services: a source that can not be written must not hold back what an erasure is for.
      await withConnection(places.monolith, SESSION, (source) => recordInSource(source, system.name, [subjectId]))
      const columns = services.flatMap((s) => s.columns)
      await finish(client, id, columns)
    }
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
    const record = await readRecord(client, places)
    const applied: { place: string; subjects: number }[] = []
    const lost = missingIn(record.pipeline, record)
    if (lost.length > 0) {
      await destroyAgain(client, system.name, lost, requestedBy)
      applied.push({ place: 'pipeline', subjects: lost.length })
    }
    for (const [service, ids] of record.services) {
      const missing = missingIn(ids, record)
      if (missing.length === 0) continue
      await withConnection(places.services[service]!, SESSION, (serviceClient) =>
        eraseInService(serviceClient, system.services[service]!, keys, missing),
      )
      applied.push({ place: service, subjects: missing.length })
    }
    const unrecorded = missingIn(record.source, record)
    if (unrecorded.length > 0) {
      await withConnection(places.monolith, SESSION, (source) => recordInSource(source, system.name, unrecorded))
      applied.push({ place: 'monolith', subjects: unrecorded.length })
    }
    return applied
  })
}

/** What `applyRecordedErasures` would do; changes nothing. @throws SluiceError SLU-2001 to SLU-2004 */
export async function missingErasures(places: RecordPlaces): Promise<AppliedErasures> {
  const record = await withConnection(places.pipeline, SESSION, (client) => readRecord(client, places))
  return [['pipeline', record.pipeline] as const, ...record.services, ['monolith', record.source] as const]
    .map(([place, ids]) => ({ place, subjects: missingIn(ids, record).length }))
    .filter(({ subjects }) => subjects > 0)
}

/** What a pipeline database and the record of its source made of each other. */
export interface TakenErasures {
  /** Keys that were destroyed again: the pipeline database is an older copy. */
  readonly destroyed: number
  /** Subjects that the record lacks. */
  readonly unrecorded: readonly string[]
}

/**
 * Destroys the keys that the record of the source says are destroyed. To be called before a value is sealed. Killed anywhere, the
 * next start does the rest.
 */
export async function takeErasures(
  client: ClientBase,
  system: string,
  recorded: ReadonlySet<string>,
  requestedBy: string,
): Promise<TakenErasures> {
  const inPipeline = await erasedInPipeline(client, system)
  const lost = [...recorded].filter((id) => !inPipeline.has(id))
  if (lost.length > 0) await destroyAgain(client, system, lost, requestedBy)
  return { destroyed: lost.length, unrecorded: [...inPipeline].filter((id) => !recorded.has(id)) }
}

/**
 * For whoever uses keys and is no reader: of the pipeline database and the services none lacks an erasure that another database
 * remembers. The source itself may: its reader sees to that.
 *
 * @throws SluiceError SLU-8010, SLU-2001 to SLU-2004
 */
export async function assertErasuresApplied(places: RecordPlaces): Promise<void> {
  const record = await withConnection(places.pipeline, SESSION, (client) => readRecord(client, places))
  for (const [place, ids] of [['pipeline', record.pipeline] as const, ...record.services]) {
    const missing = missingIn(ids, record).length
    if (missing === 0) continue
    throw new SluiceError('ERASURES_MISSING', {
      what: `the database "${place}" is older than an erasure`,
      why: `it lacks ${missing} of ${record.all.size} erased subjects that the other databases remember`,
      ways: ['sluice erase --recorded    gives every database the erasures that another one remembers'],
    })
  }
}

interface ErasureRecord {
  readonly pipeline: ReadonlySet<string>
  readonly source: ReadonlySet<string>
  readonly services: ReadonlyMap<string, ReadonlySet<string>>
  /** What any of them remembers. */
  readonly all: ReadonlySet<string>
}

async function readRecord(client: ClientBase, places: RecordPlaces): Promise<ErasureRecord> {
  const { name } = places.system
  const services = new Map<string, ReadonlySet<string>>()
  for (const [service, target] of Object.entries(places.services)) {
    services.set(service, await withConnection(target, SESSION, (serviceClient) => erasedInService(serviceClient, name)))
  }
  const source = await withConnection(places.monolith, SESSION, (sourceClient) => erasedInSource(sourceClient, name))
  const pipeline = await erasedInPipeline(client, name)
  const all = new Set([...pipeline, ...source, ...[...services.values()].flatMap((ids) => [...ids])])
  return { pipeline, source, services, all }
}

function missingIn(ids: ReadonlySet<string>, { all }: ErasureRecord): readonly string[] {
  return [...all].filter((id) => !ids.has(id))
}

/** Nothing is overwritten here: each service does that by its own list. */
async function destroyAgain(client: ClientBase, system: string, ids: readonly string[], requestedBy: string): Promise<void> {
  await finish(client, await destroyKeys(client, system, ids, requestedBy), [])
}

/** Subjects whose keys are destroyed. */
export async function erasedInPipeline(client: ClientBase, system: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ subject_id: string }>(
    'SELECT subject_id FROM subject_keys WHERE system_name = $1 AND destroyed_at IS NOT NULL',
    [system],
  )
  return new Set(rows.map((row) => row.subject_id))
}

/**
 * Writes the journal, destroys the keys and drops the subjects' aggregate snapshots, together. Returns the rows of the journal. Who takes
 * snapshots meanwhile is waited for by the table's lock, and meets destroyed keys afterwards.
 */
async function destroyKeys(
  client: ClientBase,
  system: string,
  subjectIds: readonly string[],
  requestedBy: string,
): Promise<readonly string[]> {
  await client.query('BEGIN')
  try {
    await client.query('LOCK TABLE event_snapshots IN SHARE ROW EXCLUSIVE MODE')
    const ids = await destroyAndJournal(client, system, subjectIds, requestedBy)
    await client.query('DELETE FROM event_snapshots WHERE subject_ids && $1::text[]', [subjectIds])
    await client.query('COMMIT')
    return ids
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

async function destroyAndJournal(
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
