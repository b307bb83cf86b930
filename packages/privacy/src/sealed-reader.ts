/** Reads sealed values for a comparison: with the keys of their subjects, a set at a time. */
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import { erasedInPipeline } from './erasure.ts'
import type { MasterKeys } from './master-keys.ts'
import { openValue, parseCapturedValue } from './sealed-value.ts'
import { SubjectKeys } from './subject-keys.ts'
import { type SystemKeys, readSystemKeys } from './system-secret.ts'

/** `clear`: the value. `erased`: its subject is, so there is nothing to compare. `unreadable`: it is no sealed value of that column. */
export type SealedContent = { readonly kind: 'clear'; readonly text: string } | { readonly kind: 'erased' | 'unreadable' }

export class SealedReader {
  readonly keys: SystemKeys
  readonly erased: ReadonlySet<string>
  readonly #target: PostgresTarget
  readonly #client: ClientBase & { end(): Promise<void> }
  readonly #subjects: SubjectKeys
  #reading: Promise<undefined> = Promise.resolve(undefined)

  private constructor(
    target: PostgresTarget,
    client: ClientBase & { end(): Promise<void> },
    keys: SystemKeys,
    subjects: SubjectKeys,
    erased: ReadonlySet<string>,
  ) {
    this.keys = keys
    this.erased = erased
    this.#target = target
    this.#client = client
    this.#subjects = subjects
  }

  /** @throws SluiceError SLU-8001, SLU-8002, SLU-2001 to SLU-2004 */
  static async open(system: Pick<SystemDefinition, 'name'>, pipeline: PostgresTarget, master: MasterKeys): Promise<SealedReader> {
    const client = await connect(pipeline, { applicationName: 'sluice verify' })
    try {
      const keys = (await readSystemKeys(client, system.name, master, { mayMake: true }))!
      const erased = await erasedInPipeline(client, system.name)
      return new SealedReader(pipeline, client, keys, new SubjectKeys(system.name, master), erased)
    } catch (error) {
      await client.end()
      throw toPostgresError(error, pipeline)
    }
  }

  /** @param values Captured forms with the place that each is bound to: `schema.table.column`. */
  async read(values: readonly { readonly text: string; readonly place: string }[]): Promise<readonly SealedContent[]> {
    // Services are compared side by side, and a connection answers one question at a time.
    const before = this.#reading
    const { promise, resolve } = Promise.withResolvers<undefined>()
    this.#reading = promise
    await before
    try {
      return await this.#read(values)
    } finally {
      resolve(undefined)
    }
  }

  async #read(values: readonly { readonly text: string; readonly place: string }[]): Promise<readonly SealedContent[]> {
    const parsed = values.map(({ text, place }) => ({ place, value: parsedOrNull(text, place) }))
    const ids = new Set(parsed.flatMap(({ value }) => (value === null ? [] : [value.subjectId])))
    try {
      const keys = await this.#subjects.read(this.#client, [...ids])
      return parsed.map(({ value, place }): SealedContent => {
        if (value === null) return { kind: 'unreadable' }
        const key = keys.get(value.subjectId)
        if (value.kind === 'erased' || key === null) return { kind: 'erased' }
        if (key === undefined) return { kind: 'unreadable' }
        try {
          return { kind: 'clear', text: openValue(key, value.bytes, place) }
        } catch {
          // It was changed or moved: for a comparison that is a value that differs.
          return { kind: 'unreadable' }
        }
      })
    } catch (error) {
      throw toPostgresError(error, this.#target)
    }
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}

function parsedOrNull(text: string, place: string): ReturnType<typeof parseCapturedValue> | null {
  try {
    return parseCapturedValue(text, place)
  } catch {
    return null
  }
}
