/** Writes a wave into the service's tables. Runs inside the caller's transaction; a refusal is the caller's to undo. */
import { type RowText, runInContext } from '@sluice/core'
import { type EventHandler, type ProjectedEvent, type ProjectionTransaction, eventFieldText } from '@sluice/system'
import type { ClientBase, QueryResultRow } from 'pg'
import type { BatchEvent } from './batch.ts'
import type { MappingStatement } from './mapping-statements.ts'
import type { MappingPlan, ProjectionPlan, TableRoute, TargetPlan } from './projection-plan.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import { type EndedPartitions, keysInPartitions } from './partition-keys.ts'
import { RefusedError, refusedByHandler, refusedIn } from './refusal.ts'
import { type ForeignKey, parentsFirst } from './target-catalog.ts'
import { textArray } from './text-array.ts'
import type { TableChanges, Wave, WrittenRow } from './wave.ts'

export interface WriterContext {
  readonly plan: ProjectionPlan
  readonly statements: PreparedStatements
  readonly statementRowsMax: number
}

export class WaveWriter {
  readonly #client: ClientBase
  readonly #statements: PreparedStatements
  readonly #rowsMax: number
  readonly #order: ReadonlyMap<string, number>
  readonly #foreignKeys: readonly ForeignKey[]

  constructor(client: ClientBase, context: WriterContext) {
    const { plan, statements, statementRowsMax } = context
    this.#client = client
    this.#statements = statements
    this.#rowsMax = statementRowsMax
    this.#order = new Map(plan.catalog.order.map((name, i) => [name, i]))
    this.#foreignKeys = plan.catalog.foreignKeys
  }

  /** @throws RefusedError if the service refuses a row; any other error of PostgreSQL as it is. */
  async write(wave: Wave): Promise<void> {
    switch (wave.kind) {
      case 'set':
        return this.#writeSet(wave.changes)
      case 'key change':
        return this.#changeKey(wave.table, wave.before, wave.written)
      case 'truncate':
        return this.#truncate(wave)
      case 'handlers': {
        if (wave.inner) await this.write(wave.inner)
        const [{ event, route }] = wave.events
        const handlers = route?.kind === 'own' ? route.handlers : (route?.table.handlers ?? [])
        for (const handler of handlers) await this.#call(handler, event)
      }
    }
  }

  /** Upserts, parents first; partial updates; then deletes, children first. */
  async #writeSet(changes: ReadonlyMap<TableRoute, TableChanges>): Promise<void> {
    const targets = this.#parentsFirst(
      [...changes.keys()].flatMap((table) => table.targets.map((target) => ({ target, changes: changes.get(table)! }))),
    )
    const partial: { mapping: MappingPlan; rows: readonly WrittenRow[] }[] = []
    for (const { target, changes } of targets) {
      for (const mapping of target.mappings) {
        const complete: WrittenRow[] = []
        const incomplete: WrittenRow[] = []
        for (const written of changes.writes.values())
          (isComplete(written.row, mapping.columnsRead) ? complete : incomplete).push(written)
        await this.#writeRows(mapping, mapping.upsert, complete)
        if (incomplete.length > 0) partial.push({ mapping, rows: incomplete })
      }
    }
    for (const { mapping, rows } of partial) await this.#updatePartially(mapping, rows)
    for (const { target, changes } of targets.reverse()) {
      if (target.leave)
        await this.#leave(
          target,
          target.leave,
          [...changes.writes.values()].map((written) => written.row),
        )
      await this.#run(projectionOf(target), target.delete, [...changes.deletes.values()])
    }
  }

  async #updatePartially(mapping: MappingPlan, rows: readonly WrittenRow[]): Promise<void> {
    const groups = Map.groupBy(rows, ({ row }) => mapping.columnsRead.filter((c) => row[c] !== undefined).join('\u0000'))
    for (const [signature, group] of groups) {
      const update = mapping.partial(new Set(signature.split('\u0000')))
      if (update.kind === 'undecidable') throw undecidable(mapping, update.column, update.unavailable)
      if (update.kind === 'statement') await this.#writeRows(mapping, update.statement, group)
    }
  }

  /** Rows whose filter can be told leave the target if it no longer holds. */
  async #leave(target: TargetPlan, statement: MappingStatement, rows: readonly RowText[]): Promise<void> {
    await this.#run(
      projectionOf(target),
      statement,
      rows.filter((row) => isComplete(row, statement.parameters)),
    )
  }

  async #changeKey(table: TableRoute, before: RowText, written: WrittenRow): Promise<void> {
    const { row, event } = written
    if (table.isOrderedByKeyOnly) throw beyondOneKey(table, 'a change of key')
    const available = new Set(Object.keys(row).filter((c) => row[c] !== undefined))
    const oldKey = table.source.key.map((c) => textArray([before[c] ?? null]))
    for (const { target } of this.#parentsFirst(table.targets.map((target) => ({ target })))) {
      for (const mapping of target.mappings) {
        if (isComplete(row, mapping.columnsRead)) continue
        const update = mapping.partial(available)
        if (update.kind === 'undecidable') throw undecidable(mapping, update.column, update.unavailable)
      }
      let moved = 0
      let expected = 0
      for (const mapping of target.mappings) {
        const statement = mapping.keyChange(available)
        const fields = statement.fields.map((field) => textArray([eventFieldText(event, field)]))
        const values = [...statement.parameters.map((c) => textArray([row[c] ?? null])), ...fields, ...oldKey]
        const counts = await this.#counted(mapping, statement.text, values)
        moved += counts.written
        expected += counts.expected
      }
      if (moved === 0 && expected > 0) {
        for (const mapping of target.mappings) {
          if (!isComplete(row, mapping.columnsRead)) throw rowsMissing(mapping, expected, 0)
          await this.#writeRows(mapping, mapping.upsert, [written])
        }
      }
      await this.#run(projectionOf(target), target.delete, [before])
    }
  }

  /** Truncates in the order in which they have to be tried one by one: those of tables that refer to others first. */
  childrenFirst(events: readonly BatchEvent[]): readonly BatchEvent[] {
    const targets = events.map(({ route }) => new Set(route?.kind === 'table' ? route.table.targets.map(({ name }) => name) : []))
    const having = (name: string): readonly number[] => targets.flatMap((names, i) => (names.has(name) ? [i] : []))
    const references = this.#foreignKeys.flatMap(({ child, parent }) =>
      having(child).flatMap((from) =>
        having(parent).flatMap((to) => (from === to ? [] : [{ child: `${from}`, parent: `${to}` }])),
      ),
    )
    const order = parentsFirst(
      targets.map((_, i) => `${i}`),
      references,
    )
    return order.map((i) => events[Number(i)]!).reverse()
  }

  async #truncate({ events, tables }: Extract<Wave, { kind: 'truncate' }>): Promise<void> {
    const ended = tables.flatMap((table, i) => table.targets.map((target) => ({ target, table, item: events[i]! })))
    for (const { target, table, item } of this.#parentsFirst(ended).reverse()) {
      const { partitions, place } = item
      if (partitions !== undefined) await this.#endPartitions(table, target, { topic: place.topic, partitions })
      else if (table.isOrderedByKeyOnly || (await this.#isBegun(target, item)))
        throw beyondOneKey(table, 'a truncate that is tried again')
      else await this.#query(projectionOf(target), target.truncate, [])
    }
  }

  /** True if members have begun to apply a truncate in parts: tried again as a whole, it would take newer rows with it. */
  async #isBegun(target: TargetPlan, { event }: BatchEvent): Promise<boolean> {
    const text = 'SELECT FROM public.processed_truncates WHERE event_id = $1 LIMIT 1'
    return (await this.#query(projectionOf(target), text, [event.eventId])).length > 0
  }

  /** A row of another partition may be newer than the truncate, or still to be changed by what comes before it. */
  async #endPartitions(table: TableRoute, target: TargetPlan, ended: EndedPartitions): Promise<void> {
    if (target.keys === null) throw keysUnknown(table, target)
    const projection = projectionOf(target)
    try {
      for await (const keys of keysInPartitions(this.#client, target.keys, ended, this.#rowsMax)) {
        const rows = keys.map((key) => Object.fromEntries(table.source.key.map((column, i) => [column, key[i]!])))
        await this.#run(projection, target.delete, rows)
      }
    } catch (error) {
      throw refusedIn(projection, error)
    }
  }

  async #call(handler: EventHandler, event: ProjectedEvent): Promise<void> {
    // A handler that catches a failure and goes on has its event refused all the same: the transaction takes nothing more.
    let failure: unknown
    const transaction: ProjectionTransaction = {
      query: async <Row extends object>(text: string, values: readonly unknown[] = []) => {
        try {
          const { rows, rowCount } = await this.#client.query<Row & QueryResultRow>(this.#statements.named(text, values))
          return { rows, rowCount }
        } catch (error) {
          failure ??= error
          throw error
        }
      },
    }
    try {
      await runInContext({ ...event.context, causationId: event.eventId }, () => handler.apply(event, transaction))
    } catch (error) {
      throw refusedByHandler(handler.name, failure ?? error)
    }
    if (failure !== undefined) throw refusedByHandler(handler.name, failure)
  }

  async #writeRows(mapping: MappingPlan, statement: MappingStatement, rows: readonly WrittenRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += this.#rowsMax) {
      const slice = rows.length <= this.#rowsMax ? rows : rows.slice(from, from + this.#rowsMax)
      const values = [
        ...statement.parameters.map((column) => textArray(slice.map(({ row }) => row[column] ?? null))),
        ...statement.fields.map((field) => textArray(slice.map(({ event }) => eventFieldText(event, field)))),
      ]
      const { expected, written } = await this.#counted(mapping, statement.text, values)
      if (expected !== written) throw rowsMissing(mapping, expected, written)
    }
  }

  async #counted(mapping: MappingPlan, text: string, values: string[]): Promise<{ expected: number; written: number }> {
    const [counts] = await this.#query<{ expected: number; written: number }>(mapping.mapping.name, text, values)
    return counts ?? { expected: 0, written: 0 }
  }

  async #run(projection: string, statement: MappingStatement, rows: readonly RowText[]): Promise<void> {
    for (let from = 0; from < rows.length; from += this.#rowsMax) {
      await this.#query(
        projection,
        statement.text,
        parameters(statement, rows, from, Math.min(from + this.#rowsMax, rows.length)),
      )
    }
  }

  async #query<Row extends QueryResultRow>(projection: string, text: string, values: string[]): Promise<Row[]> {
    try {
      const { rows } = await this.#client.query<Row>(this.#statements.named(text, values))
      return rows
    } catch (error) {
      throw refusedIn(projection, error)
    }
  }

  #parentsFirst<Item extends { readonly target: TargetPlan }>(items: Item[]): Item[] {
    const rank = (item: Item): number => this.#order.get(item.target.name) ?? 0
    return items.sort((a, b) => rank(a) - rank(b))
  }
}

function parameters(statement: MappingStatement, rows: readonly RowText[], from: number, to: number): string[] {
  const slice = from === 0 && to === rows.length ? rows : rows.slice(from, to)
  return statement.parameters.map((column) => textArray(slice.map((row) => row[column] ?? null)))
}

function isComplete(row: RowText, columns: readonly string[]): boolean {
  for (const column of columns) if (row[column] === undefined) return false
  return true
}

function projectionOf(target: TargetPlan): string {
  return target.mappings[0]!.mapping.name
}

/** Other keys of the table may be ahead of the event or behind it, so there is no state that it could be applied to. */
function beyondOneKey({ source, targets }: TableRoute, change: string): RefusedError {
  return new RefusedError({
    projection: targets[0] ? projectionOf(targets[0]) : '',
    sqlState: null,
    table: targets[0]?.name ?? null,
    column: null,
    constraint: null,
    message: `${change} of ${source.schema}.${source.name} touches more than one key, and the members of an independent service have its events in order within a key only`,
  })
}

function keysUnknown({ source }: TableRoute, target: TargetPlan): RefusedError {
  return new RefusedError({
    projection: projectionOf(target),
    sqlState: null,
    table: target.name,
    column: null,
    constraint: null,
    message: `a truncate of ${source.schema}.${source.name} can not be applied: the service is declared independent, and the types of the key's columns do not tell which partition a row of ${target.name} belongs to`,
  })
}

function rowsMissing(mapping: MappingPlan, expected: number, written: number): RefusedError {
  const { targetSchema, target, name } = mapping.mapping
  return new RefusedError({
    projection: name,
    sqlState: null,
    table: `${targetSchema}.${target}`,
    column: null,
    constraint: null,
    message: `${written} of ${expected} rows were written: a row to be updated is missing in the target, or a trigger refused it`,
  })
}

function undecidable(mapping: MappingPlan, column: string, unavailable: readonly string[]): RefusedError {
  const { targetSchema, target, name, source } = mapping.mapping
  return new RefusedError({
    projection: name,
    sqlState: null,
    table: `${targetSchema}.${target}`,
    column,
    constraint: null,
    message:
      `its value needs ${unavailable.join(', ')}, which PostgreSQL did not send because it did not change; ` +
      `ALTER TABLE ${source.schema}.${source.name} REPLICA IDENTITY FULL in the source makes it send it`,
  })
}
