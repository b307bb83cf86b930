/**
 * Which rows of the lane's tables are loaded, while the stream catches up with the snapshot of a resumed load.
 *
 * A table is loaded whole, not at all, or up to its last key, in the source's own order of keys. So the source is asked, a
 * set of keys at a time, before the changes of those keys are handled (`prefetch`); nothing here compares keys itself.
 *
 * P1  A row is loaded if its key lies in the loaded part and is no straggler.
 * P2  A straggler is a key in the loaded part whose row came from the part not loaded: its changes are left out from then on,
 *     and it is read again under the snapshot. It is noted in the transaction of the change that made it one.
 */
import { type Lsn, SluiceError, type Uuid } from '@sluice/core'
import type { Relation, TransactionMessage } from '@sluice/pgoutput'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { type KeyColumns, keysUpTo } from '../source/key-columns.ts'
import type { RelationBinder, TableBinding } from './relation-binding.ts'

export interface Straggler {
  readonly migrationId: Uuid
  /** As the pipeline database may remember it. */
  readonly key: readonly string[]
  readonly snapshotLsn: Lsn
}

/** How far one table is loaded. */
export interface TableLoadState {
  readonly migrationId: Uuid
  readonly isComplete: boolean
  /** Last key in key order that was stored; null before the first. */
  readonly lastKey: readonly string[] | null
  readonly stragglers: readonly (readonly string[])[]
}

interface TableState {
  readonly migrationId: Uuid
  readonly isComplete: boolean
  readonly lastKey: readonly string[] | null
  readonly stragglers: Set<string>
  /** Answers of the source for the keys at hand. */
  readonly isInside: Map<string, boolean>
}

export interface LoadedPartOptions {
  readonly tables: ReadonlyMap<string, TableLoadState>
  readonly keyColumns: ReadonlyMap<string, KeyColumns>
  readonly snapshotLsn: Lsn
  readonly bind: RelationBinder
  /** The key of a straggler as the pipeline database may remember it. */
  readonly sealKey: (table: CapturedTable, key: readonly string[]) => readonly string[]
  readonly stragglersMax: number
}

export class LoadedPart {
  readonly #options: LoadedPartOptions
  readonly #tables: ReadonlyMap<string, TableState>
  readonly #bindings = new Map<number, TableBinding | null>()
  #stragglerCount = 0

  constructor(options: LoadedPartOptions) {
    this.#options = options
    this.#tables = new Map(
      [...options.tables].map(([name, state]) => [
        name,
        {
          ...state,
          stragglers: new Set(state.stragglers.map((key) => JSON.stringify(key))),
          isInside: new Map<string, boolean>(),
        },
      ]),
    )
  }

  /** True if the table has loaded rows, or may have. */
  isBegun(table: CapturedTable): boolean {
    const state = this.#stateOf(table)
    return state.isComplete || state.lastKey !== null
  }

  /** True if the row of the key is loaded: then its changes are events. */
  holds(table: CapturedTable, key: readonly string[]): boolean {
    const state = this.#stateOf(table)
    if (!this.#isInside(state, key)) return false
    return state.stragglers.size === 0 || !state.stragglers.has(JSON.stringify(key))
  }

  /** A row that is not loaded took this key. Gives the straggler to note, or null if it is still outside or noted already. */
  arrive(table: CapturedTable, key: readonly string[]): Straggler | null {
    const state = this.#stateOf(table)
    const text = JSON.stringify(key)
    if (!this.#isInside(state, key) || state.stragglers.has(text)) return null
    state.stragglers.add(text)
    this.#stragglerCount += 1
    if (this.#stragglerCount > this.#options.stragglersMax) throw this.#tooMany(table)
    const { sealKey, snapshotLsn } = this.#options
    return { migrationId: state.migrationId, key: sealKey(table, key), snapshotLsn }
  }

  /** Asks the source which keys of the messages lie in the loaded part. The answers hold until the next call. */
  async prefetch(client: ClientBase, messages: readonly TransactionMessage[]): Promise<void> {
    const wanted = new Map<string, Map<string, readonly string[]>>()
    for (const message of messages) this.#collect(message, wanted)
    for (const state of this.#tables.values()) state.isInside.clear()
    for (const [name, keys] of wanted) {
      const state = this.#tables.get(name)!
      const columns = this.#options.keyColumns.get(name)!
      const texts = [...keys.keys()]
      const inside = await keysUpTo(client, columns, [...keys.values()], state.lastKey!)
      for (const [index, text] of texts.entries()) state.isInside.set(text, inside.has(index))
    }
  }

  #collect(message: TransactionMessage, wanted: Map<string, Map<string, readonly string[]>>): void {
    switch (message.kind) {
      case 'relation': {
        const binding = this.#options.bind(message.relation)
        this.#bindings.set(message.relation.oid, binding?.kind === 'table' ? binding : null)
        break
      }
      case 'insert':
        this.#want(message.relation, wanted, (binding) => [binding.keyOf(message.after)])
        break
      case 'update':
        this.#want(message.relation, wanted, (binding) => [
          binding.keyOf(message.after, message.before?.values),
          ...(message.before ? [binding.keyOf(message.before.values)] : []),
        ])
        break
      case 'delete':
        this.#want(message.relation, wanted, (binding) => [binding.keyOf(message.before.values)])
        break
      case 'begin':
      case 'commit':
      case 'truncate':
      case 'message':
      case 'origin':
      case 'type':
      case 'unknown':
        break
    }
  }

  #want(
    relation: Relation,
    wanted: Map<string, Map<string, readonly string[]>>,
    keysOf: (binding: TableBinding) => readonly (readonly string[])[],
  ): void {
    const binding = this.#bindings.get(relation.oid)
    if (!binding) return
    const name = qualifiedName(binding.table)
    const state = this.#tables.get(name)
    if (!state || state.isComplete || state.lastKey === null) return
    const keys = wanted.get(name) ?? new Map<string, readonly string[]>()
    wanted.set(name, keys)
    for (const key of keysOf(binding)) keys.set(JSON.stringify(key), key)
  }

  #isInside(state: TableState, key: readonly string[]): boolean {
    if (state.isComplete) return true
    if (state.lastKey === null) return false
    const answer = state.isInside.get(JSON.stringify(key))
    if (answer === undefined) throw new Error('the place of a key was not asked for')
    return answer
  }

  #stateOf(table: CapturedTable): TableState {
    const state = this.#tables.get(qualifiedName(table))
    if (!state) throw new Error(`no load state of ${qualifiedName(table)}`)
    return state
  }

  #tooMany(table: CapturedTable): SluiceError {
    return new SluiceError('LOAD_NOT_RESUMABLE', {
      what: `the interrupted load of ${qualifiedName(table)} can not be resumed`,
      why: `more than ${this.#options.stragglersMax} rows took other primary keys while it was interrupted`,
      ways: ['begin again with an empty pipeline database: sluice provision, then sluice run reader'],
    })
  }
}
