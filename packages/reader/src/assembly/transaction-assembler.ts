/**
 * Turns the messages of the stream into events, commit by commit.
 *
 * States: between commits → (begin) in a commit → (commit) between commits. Between commits nothing comes but heartbeats, and
 * messages of an unknown kind.
 *
 * T1  The ordinal counts every row change, every truncated relation and every transactional message of Sluice's own that the
 *     stream has, also those that give no event: so it depends on the transaction alone.
 * T2  A context message holds for the changes after it in its transaction, up to the next.
 * T3  A message of an unknown kind is parked with its commit and takes no ordinal; what it would have meant is not known.
 * T4  With a `LoadedPart`, changes of rows that are not loaded yet give no event: their rows are read later, under a snapshot
 *     that has the changes.
 */
import {
  type AggregateName,
  BACKFILL_PREFIX,
  CONTEXT_PREFIX,
  type EpochMicros,
  type EventDraft,
  type Lsn,
  SluiceError,
  type TransactionContext,
  type UpdateFacts,
  type Uuid,
  defaultCorrelationId,
  epochMicros,
  lsnOf,
  namespaceBytes,
  parseContextMessage,
  parseLsn,
  streamedEventId,
} from '@sluice/core'
import {
  type DeleteMessage,
  type InsertMessage,
  type LogicalMessage,
  type Relation,
  type TransactionMessage,
  type TruncateMessage,
  type Tuple,
  UNCHANGED,
  type UnknownMessage,
  type UpdateMessage,
} from '@sluice/pgoutput'
import type { UnknownMessageRecord } from '@sluice/store'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { LoadedPart, Straggler } from './loaded-part.ts'
import { OWN_PREFIX } from './own-prefix.ts'
import type { Binding, RelationBinder, TableBinding } from './relation-binding.ts'
import type { SourceTypes } from '../source/source-types.ts'

const TRUNCATE_DATA = '{"op":"t"}'
/** What an event takes in memory beside its data. */
const EVENT_OVERHEAD_BYTES = 400

/** Where the events of a commit go. */
export interface CommitSink {
  openCommit(commitLsn: Lsn, committedAt: EpochMicros): void
  add(event: EventDraft, bytes: number): void
  closeCommit(endLsn: Lsn, stragglers: readonly Straggler[]): boolean
  /** Records a message that nobody understands, in a commit or between commits. */
  park(message: UnknownMessageRecord, walStart: Lsn): void
}

/** Follows what the stream says of tables, for a backfill. */
export interface StreamWatch {
  commit(xid: number): void
  /** @param isWhole False if a value of the row was not sent. */
  changed(table: CapturedTable, key: readonly string[], isWhole: boolean): void
  moved(table: CapturedTable, oldKey: readonly string[], newKey: readonly string[], isWhole: boolean): void
  truncated(table: CapturedTable): void
  /** A mark of a backfill stands here, between commits. */
  mark(text: string, lsn: Lsn): void
}

export interface AssemblerOptions {
  readonly epoch: Uuid
  readonly sourceEpoch: Uuid
  readonly bind: RelationBinder
  readonly types: SourceTypes
  readonly sink: CommitSink
  /** What of the tables is loaded, while a load is being resumed; null: everything. */
  readonly loadedPart: LoadedPart | null
  /** Null where no backfill can go on. */
  readonly watch: StreamWatch | null
  /** A commit without anything for this lane ended. */
  readonly onEmptyCommit: (endLsn: Lsn) => void
  readonly onContextRefused: (problem: string, commitLsn: Lsn) => void
  /** False if a message of an unknown kind may hold what must not be stored in the clear. */
  readonly keepsUnknown: boolean
  /** A message of an unknown kind was parked under this LSN. */
  readonly onUnknown: (message: UnknownMessageRecord, lsn: Lsn) => void
}

export class TransactionAssembler {
  readonly #options: AssemblerOptions
  readonly #epoch: Buffer
  readonly #bindings = new Map<number, Binding>()
  #isInCommit = false
  #commitLsn: Lsn = lsnOf(0n)
  #ordinal = 0
  #context: TransactionContext = {}
  #defaultCorrelation = ''
  #stragglers: Straggler[] = []

  constructor(options: AssemblerOptions) {
    this.#options = options
    this.#epoch = namespaceBytes(options.epoch)
  }

  get isInCommit(): boolean {
    return this.#isInCommit
  }

  /**
   * @param walStart Where PostgreSQL says the message lies, as it writes LSNs.
   * @throws SluiceError SLU-2013, SLU-2040
   */
  handle(message: TransactionMessage, walStart: string): void {
    switch (message.kind) {
      case 'insert':
        this.#insert(message)
        break
      case 'update':
        this.#update(message)
        break
      case 'delete':
        this.#delete(message)
        break
      case 'begin':
        this.#begin(lsnOf(message.commitLsn), epochMicros(message.committedAtMicros))
        this.#options.watch?.commit(message.xid)
        break
      case 'commit':
        this.#commit(lsnOf(message.endLsn))
        break
      case 'truncate':
        this.#truncate(message)
        break
      case 'message':
        this.#message(message)
        break
      case 'relation':
        this.#bindings.set(message.relation.oid, this.#options.bind(message.relation))
        break
      case 'unknown':
        this.#unknown(message, parseLsn(walStart))
        break
      case 'type':
        this.#options.types.learn(message)
        break
      case 'origin':
        break
    }
  }

  #begin(commitLsn: Lsn, committedAt: EpochMicros): void {
    this.#isInCommit = true
    this.#commitLsn = commitLsn
    this.#ordinal = 0
    this.#context = {}
    this.#defaultCorrelation = defaultCorrelationId(this.#options.sourceEpoch, commitLsn)
    this.#stragglers = []
    this.#options.sink.openCommit(commitLsn, committedAt)
  }

  #commit(endLsn: Lsn): void {
    this.#isInCommit = false
    if (!this.#options.sink.closeCommit(endLsn, this.#stragglers)) this.#options.onEmptyCommit(endLsn)
  }

  #insert({ relation, after }: InsertMessage): void {
    const ordinal = this.#ordinal++
    const binding = this.#bindingOf(relation)
    if (binding === null) return
    if (binding.kind === 'outbox') {
      const row = binding.read(after)
      this.#emit(ordinal, row.eventType, row.aggregateType, row.aggregate, row.eventData, row.context)
      return
    }
    const key = binding.keyOf(after)
    const { loadedPart, watch } = this.#options
    watch?.changed(binding.table, key, true)
    if (loadedPart && !loadedPart.holds(binding.table, key)) return
    if (!binding.isWhole(after)) throw rowNotWhole(binding)
    const { eventTypes } = binding.table
    this.#emitRow(ordinal, eventTypes.created, binding, key, `{"op":"c","after":${binding.encodeRow(after)}}`)
  }

  #update({ relation, before, after }: UpdateMessage): void {
    const ordinal = this.#ordinal++
    const binding = this.#bindingOf(relation)
    if (binding?.kind !== 'table') return
    const oldKey = before ? binding.keyOf(before.values) : null
    const newKey = binding.keyOf(after, before?.values)
    const key = oldKey ?? newKey
    const { loadedPart, watch } = this.#options
    if (watch) {
      const isWhole = binding.isWhole(after, before?.values)
      if (oldKey) watch.moved(binding.table, oldKey, newKey, isWhole)
      else watch.changed(binding.table, newKey, isWhole)
    }
    if (loadedPart) {
      if (!loadedPart.holds(binding.table, key)) {
        this.#noteArrival(loadedPart, binding, newKey)
        return
      }
      if (!loadedPart.holds(binding.table, newKey)) {
        // The row left the loaded part: here it ends, and the load finds it under its new key.
        this.#emitDelete(ordinal, binding, key, binding.encodeOld(before!))
        return
      }
    }
    const beforePart = before ? `"before":${binding.encodeOld(before)},` : ''
    const data = `{"op":"u",${beforePart}"after":${binding.encodeRow(after, before?.values)}}`
    const facts = updateFacts(binding, after, before?.values, oldKey, newKey)
    this.#emitRow(ordinal, binding.table.eventTypes.updated, binding, key, data, facts)
  }

  #delete({ relation, before }: DeleteMessage): void {
    const ordinal = this.#ordinal++
    const binding = this.#bindingOf(relation)
    if (binding?.kind !== 'table') return
    const key = binding.keyOf(before.values)
    const { loadedPart, watch } = this.#options
    watch?.changed(binding.table, key, true)
    if (loadedPart && !loadedPart.holds(binding.table, key)) return
    this.#emitDelete(ordinal, binding, key, binding.encodeOld(before))
  }

  #truncate({ relations }: TruncateMessage): void {
    for (const relation of relations) {
      const ordinal = this.#ordinal++
      const binding = this.#bindingOf(relation)
      if (binding?.kind !== 'table') continue
      const { table, tableAggregate } = binding
      this.#options.watch?.truncated(table)
      if (this.#options.loadedPart?.isBegun(table) === false) continue
      this.#emit(ordinal, table.eventTypes.truncated, table.aggregateType, tableAggregate, TRUNCATE_DATA)
    }
  }

  #message({ isTransactional, prefix, content, lsn }: LogicalMessage): void {
    if (!isTransactional && prefix === BACKFILL_PREFIX) this.#options.watch?.mark(content.toString('utf8'), lsnOf(lsn))
    if (!isTransactional || !prefix.startsWith(OWN_PREFIX)) return
    this.#ordinal++
    if (prefix !== CONTEXT_PREFIX) return
    const { context, problem } = parseContextMessage(content.toString('utf8'))
    if (problem === undefined) this.#context = context
    else this.#options.onContextRefused(problem, this.#commitLsn)
  }

  #unknown({ bytes }: UnknownMessage, walStart: Lsn): void {
    const { sink, keepsUnknown, onUnknown } = this.#options
    const message = { kind: bytes[0] ?? 0, bytes: bytes.length, message: keepsUnknown ? bytes : null }
    sink.park(message, walStart)
    onUnknown(message, this.#isInCommit ? this.#commitLsn : walStart)
  }

  /** A row that is not loaded took a key inside the loaded part: the snapshot has its newest form, not this change. */
  #noteArrival(loadedPart: LoadedPart, binding: TableBinding, key: readonly string[]): void {
    const straggler = loadedPart.arrive(binding.table, key)
    if (straggler) this.#stragglers.push(straggler)
  }

  #emitDelete(ordinal: number, binding: TableBinding, key: readonly string[], before: string): void {
    this.#emitRow(ordinal, binding.table.eventTypes.deleted, binding, key, `{"op":"d","before":${before}}`)
  }

  #emitRow(
    ordinal: number,
    eventType: string,
    binding: TableBinding,
    key: readonly string[],
    data: string,
    update?: UpdateFacts,
  ): void {
    const { table, sentColumns } = binding
    const facts = { ...(sentColumns ? { sentColumns } : {}), ...(update ? { update } : {}) }
    this.#emit(ordinal, eventType, table.aggregateType, binding.aggregateOf(key), data, undefined, facts)
  }

  #emit(
    ordinal: number,
    eventType: string,
    aggregateType: string,
    aggregate: AggregateName,
    eventData: string,
    own?: TransactionContext,
    facts?: Pick<EventDraft, 'sentColumns' | 'update'>,
  ): void {
    const context = this.#context
    this.#options.sink.add(
      {
        eventId: streamedEventId(this.#epoch, this.#commitLsn, ordinal),
        eventType,
        aggregateType,
        aggregateId: aggregate.id,
        aggregateKey: aggregate.key,
        eventData,
        ordinal,
        correlationId: own?.correlationId ?? context.correlationId ?? this.#defaultCorrelation,
        causationId: own?.causationId ?? context.causationId ?? null,
        userId: own?.userId ?? context.userId ?? null,
        traceparent: own?.traceparent ?? context.traceparent ?? null,
        migrationId: null,
        ...facts,
      },
      eventData.length + EVENT_OVERHEAD_BYTES,
    )
  }

  #bindingOf(relation: Relation): Binding {
    return this.#bindings.get(relation.oid) ?? null
  }
}

/** Nothing for most updates: every value was sent, and the key stayed. */
function updateFacts(
  binding: TableBinding,
  after: Tuple,
  before: Tuple | undefined,
  oldKey: readonly string[] | null,
  newKey: readonly string[],
): UpdateFacts | undefined {
  const unsent = after.includes(UNCHANGED) ? binding.unsent(after, before) : []
  const isMoved = oldKey !== null && oldKey.some((text, i) => text !== newKey[i])
  if (unsent.length === 0 && !isMoved) return undefined
  const movedTo = isMoved ? binding.aggregateOf(newKey).id : null
  return { unsent, movedTo, tableAggregateId: binding.tableAggregate.id }
}

/** Only a row that comes into the publication's row filter is an insert without all its values; there is no image of it either. */
function rowNotWhole({ table }: TableBinding): SluiceError {
  const name = qualifiedName(table)
  return new SluiceError('PUBLICATION_CHANGED', {
    what: `a row of ${name} came into the publication's row filter without all its values`,
    why: 'unchanged large values were not sent: the replica identity of the table, or of a partition, is not FULL',
    ways: [
      `ALTER TABLE ${name} REPLICA IDENTITY FULL    makes PostgreSQL send them from then on`,
      'what was written before lacks them: begin again with an empty pipeline database: sluice provision, then sluice run reader',
    ],
  })
}
