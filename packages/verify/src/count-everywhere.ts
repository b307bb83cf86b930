/**
 * Counts what each table has in every store, with the topics read whole. Where only some services are in scope, these are the tables and
 * topics that they consume; else all of the system, those that nobody consumes too.
 */
import { quoteQualified } from '@sluice/core'
import { type KafkaPort, lastControlRecord } from '@sluice/kafka'
import { withConnection } from '@sluice/postgres'
import { listLanes, retainedAfter } from '@sluice/store'
import { type CapturedTable, type SystemDefinition, controlTopicName, lanesOf, qualifiedName, topicsOf } from '@sluice/system'
import { type MonolithCount, countReport } from './count-report.ts'
import { whyHidden } from './hidden-rows.ts'
import type { AskStore } from './object-event.ts'
import { readRowFilters } from './row-filters.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { checkTopic } from './topic-check.ts'
import type { MessageDecoder } from './topic-messages.ts'
import { topicsInScope } from './topics-in-scope.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { CountReport, ServiceReport, TopicReport } from './verify-report.ts'
import type { VerifyTargets } from './verify-targets.ts'

export interface CountOptions {
  readonly system: SystemDefinition
  readonly targets: Pick<VerifyTargets, 'pipeline'>
  readonly kafka: KafkaPort
  readonly decoder: MessageDecoder
  /** The monolith at the point that everything else was compared at. */
  readonly monolith: SnapshotSession
  /** Those in scope. */
  readonly services: readonly ServiceReport[]
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** @throws SluiceError SLU-4001 to SLU-4003 of Kafka, SLU-4103, SLU-4201 of the registry, SLU-200x */
export async function countEverywhere(options: CountOptions): Promise<CountReport> {
  const { system, services } = options
  const inScope = topicsInScope(
    system,
    services.map(({ service }) => service),
  )
  const tables = system.monolith.tables.filter(({ topic }) => inScope.has(topic.name))
  const monolith = await monolithCounts(options, tables)
  return countReport({ system, tables, monolith, topics: await topicReports(options, inScope), services })
}

async function monolithCounts(
  { system, monolith }: CountOptions,
  tables: readonly CapturedTable[],
): Promise<ReadonlyMap<string, MonolithCount>> {
  const filters = await readRowFilters(monolith, system)
  const counts = new Map<string, MonolithCount>()
  for (const table of tables) {
    const hidden = await whyHidden(monolith, [table])
    const filter = filters.get(qualifiedName(table))
    const where = filter === undefined ? '' : ` WHERE (\n${filter}\n)`
    const [row] =
      hidden === null
        ? await monolith.query<{ n: string }>(`SELECT count(*) AS n FROM ${quoteQualified(table.schema, table.name)}${where}`)
        : []
    const note = hidden ?? (filter === undefined ? null : 'only the rows that the publication lets through')
    counts.set(qualifiedName(table), { rows: row ? Number(row.n) : null, note })
  }
  return counts
}

/** Of every lane that has published anything. */
async function topicReports(options: CountOptions, inScope: ReadonlySet<string>): Promise<readonly TopicReport[]> {
  const { system, targets, kafka, decoder, onProgress, signal } = options
  const admin = await kafka.admin()
  try {
    return await withConnection(targets.pipeline, { applicationName: 'sluice verify' }, async (client) => {
      const ask: AskStore = async <Row extends object>(text: string, values: readonly unknown[]) =>
        (await client.query<Row>(text, [...values])).rows
      const records = new Map((await listLanes(client, system.name)).map((record) => [record.laneName, record]))
      const reports: TopicReport[] = []
      for (const lane of lanesOf(system)) {
        const topics = topicsOf(lane).filter(({ name }) => inScope.has(name))
        if (topics.length === 0) continue
        const laneId = records.get(lane.name)?.lane
        const published = await lastControlRecord(kafka, controlTopicName(system.name, lane.name))
        if (laneId === undefined || published === null) continue
        const storeBegins = await retainedAfter(client, laneId)
        for (const { name: topic } of topics) {
          const onMessages = (messages: number): void => {
            onProgress({ phase: 'topic', topic, messages })
          }
          onMessages(0)
          const through = published.position
          reports.push(
            await checkTopic({ ask, kafka, admin, decoder, lane, laneId, topic, through, storeBegins, onMessages, signal }),
          )
        }
      }
      return reports
    })
  } finally {
    await admin.close()
  }
}
