/** The whole question: is everything that the sources hold in the store, the topics and the services, once and in order? */
import type { Client } from 'pg'
import { medcontracthubAcrossServices, medcontracthubTables } from './medcontracthub-tables.ts'
import type { ChangesReport } from './same-changes.ts'
import { type RowDifference, type TablePair, compareRows } from './same-rows.ts'
import type { SecondSlot } from './second-slot.ts'
import { checkStore } from './store-invariants.ts'
import { checkTopics } from './topic-invariants.ts'

export interface PipelinePlaces {
  /** A connection to `monolith`, `pipeline` or a service. */
  readonly client: (name: string) => Promise<Client>
  readonly services: readonly string[]
  readonly brokers: readonly string[]
  readonly registryUrl: string
  /** Data topics of every lane. */
  readonly topics: readonly string[]
  /** What the monolith committed; null where nobody made it before the lane's slot. @default null */
  readonly secondSlot?: SecondSlot | null
  /** Aggregates whose events a relay parked and published later. @default none */
  readonly isHeldBack?: (aggregate: string) => boolean
}

export interface PipelineReport {
  /** In the store. */
  readonly events: number
  /** In the topics. */
  readonly messages: number
  /** Compared, of the monolith's WAL. */
  readonly changes: number
  /** Compared, of the sources. */
  readonly rows: number
  /** Changes that the store lacks, events of the store that no topic has, and rows that a service lacks or has otherwise. */
  readonly lost: number
  /** Changes that the store has once more, messages that repeat an event, and rows that only a service has. */
  readonly doubled: number
  /** Commits whose changes are stored in another order, and messages that come after a later one of their key. */
  readonly outOfOrder: number
  /** Everything that is not as it must be, a line each; empty if all is well. */
  readonly problems: readonly string[]
}

const NO_CHANGES: ChangesReport = { changes: 0, lost: 0, doubled: 0, outOfOrder: 0, problems: [] }

/** Asked when nothing is on its way: sources at rest, everything applied. */
export async function askOracle(places: PipelinePlaces): Promise<PipelineReport> {
  const pipeline = await places.client('pipeline')
  const changes = (await places.secondSlot?.compare(pipeline)) ?? NO_CHANGES
  const problems = [...(await checkStore(pipeline)), ...changes.problems]
  const { rows: lanes } = await pipeline.query<{ lane: number; position: string }>('SELECT lane, position FROM lanes')
  const topics = await checkTopics({
    brokers: places.brokers,
    registryUrl: places.registryUrl,
    topics: places.topics,
    expected: new Map(lanes.map((row) => [row.lane, BigInt(row.position)])),
    ...(places.isHeldBack === undefined ? {} : { isHeldBack: places.isHeldBack }),
  })
  problems.push(...topics.problems)
  const tables = await compareTables(places)
  problems.push(...tables.problems, ...(await parkedEvents(places)))
  return {
    events: lanes.reduce((sum, { position }) => sum + Number(position), 0),
    messages: topics.messages,
    changes: changes.changes,
    rows: tables.rows,
    lost: changes.lost + topics.lost + tables.lost,
    doubled: changes.doubled + topics.messages - topics.distinct + tables.extra,
    outOfOrder: changes.outOfOrder + topics.outOfOrder,
    problems,
  }
}

interface TablesReport {
  rows: number
  lost: number
  extra: number
  readonly problems: string[]
}

async function compareTables({ client }: PipelinePlaces): Promise<TablesReport> {
  const report: TablesReport = { rows: 0, lost: 0, extra: 0, problems: [] }
  const pairs: readonly (readonly [source: string, pair: TablePair])[] = [
    ...medcontracthubTables.map((pair) => ['monolith', pair] as const),
    [medcontracthubAcrossServices.source, medcontracthubAcrossServices.pair],
  ]
  for (const [source, pair] of pairs) {
    const difference = await compareRows(await client(source), await client(pair.service), pair)
    report.rows += difference.sourceRows
    report.lost += difference.missing + difference.different
    report.extra += difference.extra
    report.problems.push(...described(pair, difference))
  }
  return report
}

function described(pair: TablePair, { missing, different, extra, sourceRows, examples }: RowDifference): readonly string[] {
  const name = `${pair.service}.${pair.table}`
  if (sourceRows === 0) return [`${name}: there is nothing to compare`]
  if (missing + different + extra === 0) return []
  return [`${name}: ${missing} missing, ${different} different, ${extra} extra of ${sourceRows} (${examples.join(', ')})`]
}

/** The workload holds no bad event. */
async function parkedEvents({ client, services }: PipelinePlaces): Promise<readonly string[]> {
  const problems: string[] = []
  for (const service of services) {
    const { rows } = await (
      await client(service)
    ).query<{ event_type: string; error_code: string; sqlstate: string | null }>(
      'SELECT event_type, error_code, sqlstate FROM parked_events LIMIT 5',
    )
    problems.push(...rows.map((row) => `${service} parked ${row.event_type}: ${row.error_code} ${row.sqlstate ?? ''}`))
  }
  return problems
}
