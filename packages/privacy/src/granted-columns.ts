/**
 * What the projector of a service may read of encrypted columns: opens the granted ones, and puts the declared placeholder in
 * the place of what belongs to an erased subject.
 *
 * G1  A transaction that writes clear values has read `erased_subjects` before it, under a lock that an erasure waits for: so a
 *     value that was opened before the erasure is overwritten by it, and after it none is opened.
 * G2  Columns that are not granted pass in their captured form.
 */
import { type Operation, type RowText, SluiceError } from '@sluice/core'
import { type CapturedTable, type ServiceDefinition, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { erasedInPipeline } from './erasure.ts'
import { type KeyAccess, KeyConnection } from './key-access.ts'
import type { MasterKeys } from './master-keys.ts'
import { type CapturedValue, openValue, parseCapturedValue } from './sealed-value.ts'
import { eraseInService, erasedInService } from './service-erasure.ts'
import { SubjectKeys } from './subject-keys.ts'
import { readSystemKeys } from './system-secret.ts'

interface GrantedColumn {
  readonly name: string
  /** As values are bound to it. */
  readonly place: string
  readonly placeholder: string | null
}

/** The part of an event that holds columns. */
export interface RowEvent {
  readonly op: Operation
  readonly aggregateType: string
  readonly before: RowText | null
  readonly after: RowText | null
}

export class GrantedColumns {
  readonly #system: string
  readonly #service: string
  readonly #definition: ServiceDefinition
  readonly #master: MasterKeys
  readonly #byAggregate: ReadonlyMap<string, readonly GrantedColumn[]>
  readonly #keys: SubjectKeys
  readonly #connection: KeyConnection

  constructor(system: string, service: string, definition: ServiceDefinition, access: KeyAccess) {
    this.#system = system
    this.#service = service
    this.#definition = definition
    this.#master = access.master
    const columns = (definition.decrypt ?? []).flatMap(({ table, columns: granted }) =>
      Object.entries(granted).map(([name, placeholder]) => ({
        aggregateType: table.aggregateType,
        name,
        place: placeOf(table, name),
        placeholder,
      })),
    )
    this.#byAggregate = Map.groupBy(columns, (column) => column.aggregateType)
    this.#keys = new SubjectKeys(system, access.master)
    this.#connection = new KeyConnection(access.target, `sluice projector ${service}`)
  }

  /**
   * Opens the granted columns of events.
   *
   * @param client The service's own transaction, in which the rows will be written.
   * @returns the events in their order; one without a granted value is returned as it is
   * @throws SluiceError SLU-8001, SLU-8002; SLU-2001 to SLU-2004 of the pipeline database
   */
  async reveal<Event extends RowEvent>(client: ClientBase, events: readonly Event[]): Promise<readonly Event[]> {
    const subjects = new Set<string>()
    for (const event of events) for (const value of this.#sealedIn(event)) subjects.add(value.subjectId)
    if (subjects.size === 0) return events
    const ids = [...subjects]
    const { rows } = await client.query<{ subject_id: string }>(
      'SELECT subject_id FROM public.erased_subjects WHERE system_name = $1 AND subject_id = ANY ($2::text[])',
      [this.#system, ids],
    )
    const erased = new Set(rows.map((row) => row.subject_id))
    const keys = await this.#connection.use((keyClient) =>
      this.#keys.read(
        keyClient,
        ids.filter((id) => !erased.has(id)),
      ),
    )
    const reveal = (text: string, column: GrantedColumn): string | null => {
      const value = parseCapturedValue(text, column.place)
      if (value.kind === 'erased' || erased.has(value.subjectId)) return column.placeholder
      const key = keys.get(value.subjectId)
      if (key === undefined) throw keyMissing(value.subjectId, column.place)
      return key === null ? column.placeholder : openValue(key, value.bytes, column.place)
    }
    return events.map((event) => {
      const columns = this.#columnsOf(event)
      if (columns.length === 0) return event
      return { ...event, before: revealed(event.before, columns, reveal), after: revealed(event.after, columns, reveal) }
    })
  }

  /**
   * Gives the service database the erasures that the pipeline database has and it lacks: a copy of it that is older than an
   * erasure has clear values again. To be called before the service is used.
   *
   * @throws SluiceError SLU-8010 if the pipeline database is the older copy: then destroyed keys are back
   */
  async applyErasures(client: ClientBase): Promise<number> {
    const [keys, inPipeline] = await this.#connection.use(async (keyClient) => [
      await readSystemKeys(keyClient, this.#system, this.#master, { mayMake: false }),
      await erasedInPipeline(keyClient, this.#system),
    ])
    const inService = await erasedInService(client, this.#system)
    const back = [...inService].filter((id) => !inPipeline.has(id))
    if (back.length > 0) throw erasuresMissing(this.#service, back.length)
    const missing = [...inPipeline].filter((id) => !inService.has(id))
    if (keys === null || missing.length === 0) return 0
    await eraseInService(client, this.#definition, keys, missing)
    return missing.length
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  #columnsOf(event: RowEvent): readonly GrantedColumn[] {
    return event.op === 'e' ? [] : (this.#byAggregate.get(event.aggregateType) ?? [])
  }

  *#sealedIn(event: RowEvent): Iterable<CapturedValue> {
    for (const { name, place } of this.#columnsOf(event)) {
      for (const row of [event.before, event.after]) {
        const text = row?.[name]
        if (typeof text === 'string') yield parseCapturedValue(text, place)
      }
    }
  }
}

function erasuresMissing(service: string, count: number): SluiceError {
  return new SluiceError('ERASURES_MISSING', {
    what: 'the pipeline database is older than an erasure',
    why: `service "${service}" remembers ${count} erased subjects whose keys the pipeline database has`,
    ways: ['sluice erase --recorded    destroys those keys again, as the reader does when it starts'],
  })
}

function revealed(
  row: RowText | null,
  columns: readonly GrantedColumn[],
  reveal: (text: string, column: GrantedColumn) => string | null,
): RowText | null {
  if (row === null) return null
  const opened = columns.flatMap((column) => {
    const text = row[column.name]
    // An absent column stays absent, and NULL is NULL.
    return typeof text === 'string' ? [[column.name, reveal(text, column)] as const] : []
  })
  return opened.length === 0 ? row : { ...row, ...Object.fromEntries(opened) }
}

/** A placeholder would say that somebody asked for it. */
function keyMissing(subjectId: string, place: string): SluiceError {
  return new SluiceError('SUBJECT_KEY_MISSING', {
    what: `a value of ${place} can not be opened`,
    why: `the pipeline database has no key of subject ${subjectId}, and no erasure of it is recorded`,
    ways: ['restore the newest copy of the pipeline database, which has the keys of its events'],
  })
}

function placeOf(table: CapturedTable, column: string): string {
  return `${qualifiedName(table)}.${column}`
}
