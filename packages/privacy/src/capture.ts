/** The rules of a lane's tables at work: what a reader needs of this package. */
import { type AggregateName, type EventDraft, SluiceError, aggregateName } from '@sluice/core'
import { type PostgresTarget, connect, sqlStateOf, toPostgresError } from '@sluice/postgres'
import type { CapturedTable, PrivacyRule } from '@sluice/system'
import type pg from 'pg'
import type { ClientBase } from 'pg'
import { openCheckpointKey, sealCheckpointKey } from './checkpoint-key.ts'
import { type ColumnCapture, columnCapture } from './column-capture.ts'
import { takeErasures } from './erasure.ts'
import { type MasterKeys, requireMasterKeys } from './master-keys.ts'
import { hasTokens, sealTexts } from './seal-texts.ts'
import { SubjectKeys } from './subject-keys.ts'
import { erasedInSource, recordInSource } from './source-erasures.ts'
import { type SystemKeys, readSystemKeys } from './system-secret.ts'

export interface CaptureOptions {
  readonly system: string
  readonly tables: readonly CapturedTable[]
  readonly pipeline: PostgresTarget
  readonly master: MasterKeys | null
  readonly applicationName: string
}

/** What came of a reader's meeting with the record of its source. */
export interface MetErasures {
  /** Keys that were destroyed again: the pipeline database is an older copy. */
  readonly destroyed: number
  /** Erasures that the source lacks, and that the reader's role may not write there. */
  readonly unrecorded: number
}

const INSUFFICIENT_PRIVILEGE = '42501'

export class Capture {
  readonly #target: PostgresTarget
  readonly #applicationName: string
  readonly #keys: SystemKeys | null
  /** Connection for the keys of subjects; null if no column is encrypted. */
  readonly #client: pg.Client | null
  readonly #subjects: SubjectKeys | null

  private constructor(
    { pipeline, applicationName }: CaptureOptions,
    keys: SystemKeys | null,
    client: pg.Client | null,
    subjects: SubjectKeys | null,
  ) {
    this.#target = pipeline
    this.#applicationName = applicationName
    this.#keys = keys
    this.#client = client
    this.#subjects = subjects
  }

  /** @throws SluiceError SLU-8001, SLU-8002, SLU-2001 to SLU-2003 */
  static async open(options: CaptureOptions): Promise<Capture> {
    const { system, tables, pipeline, applicationName } = options
    const has = (kind: PrivacyRule['kind']): boolean =>
      tables.some((table) => Object.values(table.privacy).some((rule) => rule.kind === kind))
    if (!has('hash') && !has('encrypt')) return new Capture(options, null, null, null)
    const master = requireMasterKeys(options.master, `columns of system "${system}" are hashed or encrypted`)
    const client = await connect(pipeline, { applicationName })
    try {
      const keys = await readSystemKeys(client, system, master, { mayMake: true })
      if (has('encrypt')) return new Capture(options, keys, client, new SubjectKeys(system, master))
      await client.end()
      return new Capture(options, keys, null, null)
    } catch (error) {
      await client.end()
      throw toPostgresError(error, pipeline)
    }
  }

  /** True if a column of the lane is encrypted. */
  get seals(): boolean {
    return this.#subjects !== null
  }

  /**
   * Gives the pipeline database the erasures that the source remembers, and the source those that it lacks: an older copy of the
   * keys must not seal a row. To be called once the source is known to be the lane's.
   *
   * @param source A connection to the database that the lane reads.
   * @throws SluiceError SLU-2001 to SLU-2004 of the pipeline database; SLU-2003 if the source's record may not be read; other errors of
   *   the source as they are
   */
  async meetErasures(source: ClientBase): Promise<MetErasures> {
    if (!this.#client || !this.#keys) return { destroyed: 0, unrecorded: 0 }
    const { system } = this.#keys
    const recorded = await erasedInSource(source, system).catch((error: unknown) => {
      throw sqlStateOf(error) === INSUFFICIENT_PRIVILEGE ? recordNotReadable() : error
    })
    const taken = takeErasures(this.#client, system, recorded, this.#applicationName)
    const { destroyed, unrecorded } = await taken.catch((error: unknown) => {
      throw toPostgresError(error, this.#target)
    })
    const isRecorded = await recordInSource(source, system, unrecorded).then(
      () => true,
      (error: unknown) => {
        // No reason to hold the slot up: the pipeline database has them, and `sluice erase --recorded` may have the right to write.
        if (sqlStateOf(error) === INSUFFICIENT_PRIVILEGE) return false
        throw error
      },
    )
    return { destroyed, unrecorded: isRecorded ? 0 : unrecorded.length }
  }

  /** Null for a column that is captured in the clear. */
  columnOf(table: CapturedTable, column: string): ColumnCapture | null {
    return columnCapture(table, column, this.#keys)
  }

  /** Names the aggregate of a row by the captured forms of its key. */
  aggregateNamer(table: CapturedTable): (key: readonly string[]) => AggregateName {
    if (!isKeyPrivate(table)) return aggregateName
    const captures = table.key.map((column) => this.columnOf(table, column))
    return (key) =>
      aggregateName(
        key.map((text, i) => {
          const capture = captures[i]
          return capture?.kind === 'text' ? capture.capture(text) : text
        }),
      )
  }

  /** A key as the pipeline database may remember it. */
  sealKey(table: CapturedTable, key: readonly string[]): readonly string[] {
    return this.#keys && isKeyPrivate(table) ? sealCheckpointKey(this.#keys, table, key) : key
  }

  openKey(table: CapturedTable, key: readonly string[]): readonly string[] {
    return this.#keys && isKeyPrivate(table) ? openCheckpointKey(this.#keys, table, key) : key
  }

  /** Events whose encrypted values are sealed; those without any are returned as they are. */
  async seal(events: readonly EventDraft[]): Promise<readonly EventDraft[]> {
    if (!this.#client || !this.#subjects || !this.#keys) return events
    const unsealed = events.filter((event) => hasTokens(event.eventData))
    if (unsealed.length === 0) return events
    try {
      const texts = unsealed.map((event) => event.eventData)
      const sealed = (await sealTexts(this.#client, this.#keys, this.#subjects, texts)).values()
      return events.map((event) => (hasTokens(event.eventData) ? { ...event, eventData: sealed.next().value! } : event))
    } catch (error) {
      throw toPostgresError(error, this.#target)
    }
  }

  async close(): Promise<void> {
    await this.#client?.end()
  }
}

function isKeyPrivate(table: CapturedTable): boolean {
  return table.key.some((column) => table.privacy[column] !== undefined)
}

/** Nothing is sealed unread: a key that an older copy brought back would seal what is erased. */
function recordNotReadable(): SluiceError {
  return new SluiceError('POSTGRES_PRIVILEGE_MISSING', {
    what: 'the reader may not read which subjects are erased',
    why: "its role lacks a right on table sluice.erased_subjects of the source, which another role's `sluice erase` made",
    ways: [
      "GRANT USAGE ON SCHEMA sluice TO the reader's role; GRANT SELECT, INSERT ON sluice.erased_subjects TO the reader's role",
    ],
  })
}
