/** Counts what each table has in every store, with the topics read whole. */
import { quoteQualified } from '@sluice/core'
import { type KafkaPort, lastControlRecord } from '@sluice/kafka'
import { withConnection } from '@sluice/postgres'
import { listLanes, retainedAfter } from '@sluice/store'
import { type SystemDefinition, controlTopicName, lanesOf, qualifiedName, topicsOf } from '@sluice/system'
import { type MonolithCount, countReport } from './count-report.ts'
import { whyHidden } from './hidden-rows.ts'
import type { AskStore } from './object-event.ts'
import { readRowFilters } from './row-filters.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { checkTopic } from './topic-check.ts'
import type { MessageDecoder } from './topic-messages.ts'
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
  readonly services: readonly ServiceReport[]
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** @throws SluiceError SLU-4001 to SLU-4003 of Kafka, SLU-4103, SLU-4201 of the registry, SLU-200x */
export async function countEverywhere(options: CountOptions): Promise<CountReport> {
  const monolith = await monolithCounts(options)
  return countReport(options.system, monolith, await topicReports(options), options.services)
}

async function monolithCounts({ system, monolith }: CountOptions): Promise<ReadonlyMap<string, MonolithCount>> {
  const filters = await readRowFilters(monolith, system)
  const counts = new Map<string, MonolithCount>()
  for (const table of system.monolith.tables) {
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
async function topicReports(options: CountOptions): Promise<readonly TopicReport[]> {
  const { system, targets, kafka, decoder, onProgress, signal } = options
  const admin = await kafka.admin()
  try {
    return await withConnection(targets.pipeline, { applicationName: 'sluice verify' }, async (client) => {
      const ask: AskStore = async <Row extends object>(text: string, values: readonly unknown[]) =>
        (await client.query<Row>(text, [...values])).rows
      const records = new Map((await listLanes(client, system.name)).map((record) => [record.laneName, record]))
      const reports: TopicReport[] = []
      for (const lane of lanesOf(system)) {
        const laneId = records.get(lane.name)?.lane
        const published = await lastControlRecord(kafka, controlTopicName(system.name, lane.name))
        if (laneId === undefined || published === null) continue
        const storeBegins = await retainedAfter(client, laneId)
        for (const { name: topic } of topicsOf(lane)) {
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
