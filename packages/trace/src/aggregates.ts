/** Aggregates by their definitions: snapshots of all of them, and the state of one. */
import { SluiceError, type Uuid, aggregateName, isUuid, tableAggregateName } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import {
  type AggregateKind,
  type AggregateState,
  type LaneRecord,
  type SnapshotsTaken,
  listLanes,
  loadAggregate,
  takeAggregateSnapshots,
} from '@sluice/store'
import { type CapturedTable, type SystemDefinition, lanesOf, qualifiedName } from '@sluice/system'
import type { Client } from 'pg'

const SESSION = { applicationName: 'sluice aggregate' }

export interface AggregatesOptions {
  readonly system: SystemDefinition
  readonly targets: { readonly pipeline: PostgresTarget }
}

export interface LaneSnapshots extends SnapshotsTaken {
  readonly lane: string
}

/**
 * Takes aggregate snapshots of every captured table.
 *
 * @param every Versions beyond the last snapshot.
 * @throws SluiceError SLU-2001 to SLU-2004; the signal's reason if it aborts
 */
export async function snapshotAggregates(
  { system, targets }: AggregatesOptions,
  every: number,
  signal: AbortSignal,
): Promise<readonly LaneSnapshots[]> {
  return withConnection(targets.pipeline, SESSION, async (client) => {
    const taken: LaneSnapshots[] = []
    for (const { record, tables } of await begunLanes(client, system)) {
      const run = { lane: record.lane, kinds: tables.map(aggregateKind), every, signal }
      if (tables.length > 0) taken.push({ lane: record.laneName, ...(await takeAggregateSnapshots(client, run)) })
    }
    return taken
  })
}

export interface ShownAggregate extends AggregateState {
  readonly type: string
  readonly id: Uuid
  readonly lane: string
}

/**
 * The state of one aggregate.
 *
 * @param key Its id, or the text of its key: of several columns a JSON array.
 * @throws SluiceError SLU-1001 for an unknown type, SLU-3002 for a lane that has not begun, SLU-3103 if its events are gone
 */
export async function readAggregate(
  { system, targets }: AggregatesOptions,
  { type, key, isFromFirstEvent }: { readonly type: string; readonly key: string; readonly isFromFirstEvent: boolean },
): Promise<ShownAggregate> {
  const table = system.monolith.tables.find((t) => t.aggregateType === type)
  if (!table) throw unknownType(system, type)
  const id = aggregateIdOf(table, key)
  return withConnection(targets.pipeline, SESSION, async (client) => {
    const lane = (await begunLanes(client, system)).find(({ tables }) => tables.includes(table))
    if (!lane) throw notBegun(system, table)
    const asked = { lane: lane.record.lane, kind: aggregateKind(table), id, isFromFirstEvent }
    return { type, id, lane: lane.record.laneName, ...(await loadAggregate(client, asked)) }
  })
}

interface BegunLane {
  readonly record: LaneRecord
  readonly tables: readonly CapturedTable[]
}

async function begunLanes(client: Client, system: SystemDefinition): Promise<readonly BegunLane[]> {
  const records = await listLanes(client, system.name)
  return lanesOf(system).flatMap(({ name, tables }) => {
    const record = records.find((r) => r.laneName === name)
    return record ? [{ record, tables }] : []
  })
}

function aggregateKind(table: CapturedTable): AggregateKind {
  return {
    type: table.aggregateType,
    columns: table.columnNames,
    tableAggregateId: tableAggregateName(qualifiedName(table)).id,
    idOf: (row) => aggregateName(table.key.map((column) => row[column] ?? '')).id,
  }
}

function aggregateIdOf(table: CapturedTable, key: string): Uuid {
  const lower = key.toLowerCase()
  if (isUuid(lower)) return lower
  return aggregateName(table.key.length === 1 ? [key] : keyTexts(key)).id
}

function keyTexts(key: string): readonly string[] {
  try {
    const texts: unknown = JSON.parse(key)
    if (Array.isArray(texts) && texts.every((text) => typeof text === 'string')) return texts
  } catch {
    // No JSON: told below.
  }
  throw new SluiceError('USAGE', {
    what: 'the key of the aggregate can not be read',
    why: 'it has several columns, and a JSON array of their texts is needed',
    ways: [`sluice aggregate show 'OrderLine/["4711","1"]'`],
  })
}

function unknownType({ name, monolith }: SystemDefinition, type: string): SluiceError {
  return new SluiceError('USAGE', {
    what: `system "${name}" captures no table whose aggregate is "${type}"`,
    why: `the aggregates are ${monolith.tables.map((t) => t.aggregateType).join(', ')}`,
    ways: [`sluice aggregate show ${monolith.tables[0]?.aggregateType ?? 'Order'}/4711`],
  })
}

function notBegun({ name }: SystemDefinition, table: CapturedTable): SluiceError {
  return new SluiceError('LANE_UNKNOWN', {
    what: `nothing of ${qualifiedName(table)} is in the event store`,
    why: `its lane of system "${name}" has not begun`,
    ways: ['sluice run reader', 'sluice status'],
  })
}
