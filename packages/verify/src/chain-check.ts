/** Promise 12: recomputes each lane's hash chain and holds its head against the one that the control topic keeps. */
import { serializeError } from '@sluice/core'
import { type KafkaPort, lastControlRecord } from '@sluice/kafka'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import { type LaneRecord, countRelayParked, listLanes, verifyChain } from '@sluice/store'
import { type SystemDefinition, controlTopicName } from '@sluice/system'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { LaneChain } from './verify-report.ts'

export interface ChainCheckOptions {
  readonly system: SystemDefinition
  readonly pipeline: PostgresTarget
  readonly kafka: KafkaPort | undefined
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** One report a lane. A head that can't be read makes its lane `unchecked`, not the verification fail. */
export async function checkChains(options: ChainCheckOptions): Promise<readonly LaneChain[]> {
  const reports: LaneChain[] = []
  for (const { lane, parkedAtRelay } of await lanes(options))
    reports.push({ ...(await checkChain(options, lane)), parkedAtRelay })
  return reports
}

interface ListedLane {
  readonly lane: LaneRecord
  readonly parkedAtRelay: number
}

async function lanes({ pipeline, system }: ChainCheckOptions): Promise<readonly ListedLane[]> {
  const client = await connect(pipeline, { applicationName: 'sluice verify', statementTimeoutMs: 30_000 })
  try {
    const listed: ListedLane[] = []
    for (const lane of await listLanes(client, system.name)) {
      listed.push({ lane, parkedAtRelay: await countRelayParked(client, lane.lane) })
    }
    return listed
  } catch (error) {
    throw toPostgresError(error, pipeline)
  } finally {
    await client.end()
  }
}

/** Number and hash, in hex, of a link that is known outside of the database; or why none is. */
type OutsideHead = { readonly link: bigint; readonly head: string } | { readonly unknown: string }

async function checkChain(options: ChainCheckOptions, lane: LaneRecord): Promise<Omit<LaneChain, 'parkedAtRelay'>> {
  // Read before the chain is: the store is never behind its control topic.
  const head = await outsideHead(options, lane)
  const { links, events, broken } = await verifyChain(options.pipeline, lane, {
    ...('unknown' in head ? {} : { expectedHead: head }),
    onProgress: ({ events, position, through }) => {
      options.onProgress({ phase: 'chain', lane: lane.laneName, events, of: events + through - position })
    },
    signal: options.signal,
  })
  const report = { lane: lane.laneName, links, events }
  if (broken !== null) return { ...report, status: 'broken', problem: `link ${broken.link}: ${broken.why}` }
  return 'unknown' in head
    ? { ...report, status: 'unchecked', problem: head.unknown }
    : { ...report, status: 'whole', problem: null }
}

async function outsideHead({ kafka, system }: ChainCheckOptions, lane: LaneRecord): Promise<OutsideHead> {
  if (kafka === undefined) return { unknown: 'the head in the control topic was not asked for' }
  try {
    const record = await lastControlRecord(kafka, controlTopicName(system.name, lane.laneName))
    if (record !== null) return { link: record.link, head: record.head }
    return lane.position === 0n
      ? { link: lane.link, head: lane.head.toString('hex') }
      : { unknown: 'nothing was published yet, so no head is kept outside of the database' }
  } catch (error) {
    const { code, what, why } = serializeError(error)
    return { unknown: `the control topic could not be read: ${code} ${what}: ${why}` }
  }
}
