/** `sluice status`: how far each stage is, and how the engines of a process are where one is named. */
import { type HealthCheck, silentLogger, toSluiceError } from '@sluice/core'
import {
  type LaneStatus,
  type Measured,
  type RunningBackfill,
  type ServiceStatus,
  type SystemStatus,
  readStatus,
} from '@sluice/trace'
import { z } from 'zod'
import { type ProcessAddress, askProcess } from '../ask-process.ts'
import { checkText } from '../check-text.ts'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { type Style, styleOf } from '../glyphs.ts'
import { kafkaOf } from '../servers.ts'
import { type Cell, formatBytes, formatCount, formatSeconds, renderTable } from '../table.ts'

const Options = z.object({ healthHost: z.string(), healthPort: z.number().optional() })

/** What is read of `/healthz`. */
const Health = z.object({
  checks: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['ok', 'warning', 'failed', 'skipped']),
      summary: z.string(),
      since: z.string().exactOptional(),
      cause: z.string().exactOptional(),
      fix: z.array(z.string()).exactOptional(),
      code: z.string().exactOptional(),
    }),
  ),
})

export const status: CommandImplementation = async (context, { options }) => {
  const { healthHost: host, healthPort: port } = Options.parse(options)
  const system = await context.system()
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services: Object.keys(system.services),
    kafka: true,
  })
  const [stages, engines] = await Promise.all([
    readStatus({ system, targets: deployment, kafka: kafkaOf(deployment.kafka, silentLogger) }),
    port === undefined ? [] : engineChecks({ host, port }),
  ])
  const report: SystemStatus = { ...stages, checks: [...stages.checks, ...engines] }
  return { summary: '', result: report, text: statusText(report, styleOf(process.stdout, context.environment)) }
}

/** How the engines of a process are; the process itself is a failed check where it does not answer. */
async function engineChecks(address: ProcessAddress): Promise<readonly HealthCheck[]> {
  try {
    const { body } = await askProcess(address, 'healthz')
    return Health.parse(body).checks.filter((check) => check.name.startsWith('engine.'))
  } catch (thrown) {
    const { what, why, ways, number } = toSluiceError(thrown)
    return [
      { name: `process.${address.host}:${address.port}`, status: 'failed', summary: what, cause: why, fix: ways, code: number },
    ]
  }
}

/** A table of lanes, a table of services, one of the copies that they hold of each other's rows, then what needs somebody. */
export function statusText(report: SystemStatus, style: Style): string {
  const right = { align: 'right' } as const
  const lanes = renderTable(
    [
      { title: 'lane' },
      { title: 'phase' },
      { title: 'stored', ...right },
      { title: 'behind', ...right },
      { title: 'for', ...right },
      { title: 'WAL kept', ...right },
      { title: 'published', ...right },
      { title: 'pending', ...right },
      { title: 'oldest', ...right },
    ],
    report.lanes.map(laneRow),
  )
  const services = renderTable(
    [
      { title: 'service' },
      { title: 'lane' },
      { title: 'applied', ...right },
      { title: 'lag events', ...right },
      { title: 'lag', ...right },
      { title: 'parked', ...right },
    ],
    report.services.flatMap(serviceRows),
  )
  const copies = renderTable(
    [
      { title: 'service' },
      { title: 'read-only copy' },
      { title: 'owner' },
      { title: 'lag events', ...right },
      { title: 'lag', ...right },
    ],
    report.copies.map((c) => [
      c.service,
      c.table,
      c.owner,
      c.lagEvents,
      c.lagSeconds === null ? null : formatSeconds(c.lagSeconds),
    ]),
  )
  const reading = report.lanes.flatMap(readingLines)
  const troubles = report.checks.filter((c) => c.status !== 'ok')
  const readings = reading.length === 0 ? [] : ['', ...reading]
  const copied = report.copies.length === 0 ? [] : ['', copies]
  return [lanes, '', services, ...copied, ...readings, ...(troubles.length === 0 ? [] : ['', checkText(troubles, style)])].join(
    '\n',
  )
}

function laneRow({ lane, store, readerLag, source, relay }: LaneStatus): readonly Cell[] {
  const slot = source.value?.slot
  return [
    lane,
    store.value?.phase ?? errorCell(store),
    store.value?.position ?? null,
    readerLag === null ? null : formatBytes(readerLag.bytes),
    readerLag === null ? null : formatSeconds(readerLag.seconds),
    slot ? formatBytes(slot.retainedBytes) : errorCell(source),
    relay.value?.position ?? errorCell(relay),
    relay.value?.pendingEvents ?? null,
    relay.value?.pendingSeconds == null ? null : formatSeconds(relay.value.pendingSeconds),
  ]
}

/** Tables that are being read: by the initial load, and by backfills. */
function readingLines({ lane, store }: LaneStatus): readonly string[] {
  if (store.value === null) return []
  const { load, loadSecondsLeft, backfills } = store.value
  const loading = load
    .filter(({ status, rows }) => status === 'running' || (status === 'failed' && rows > 0n))
    .map(({ table, status, rows, estimate }) => {
      const about = estimate === null || estimate <= 0n ? '' : ` of about ${formatCount(estimate)}`
      return `initial load of ${table} (${lane}) is ${status}: ${formatCount(rows)}${about} rows`
    })
  const left = loadSecondsLeft === null ? [] : [`initial load (${lane}): about ${formatSeconds(loadSecondsLeft)} left`]
  return [...loading, ...left, ...backfills.map((backfill) => backfillLine(lane, backfill))]
}

function backfillLine(lane: string, { table, status, rowsRead, rowsEstimate, rowsPerSecond, ...run }: RunningBackfill): string {
  const isRunning = status === 'running'
  const parts = [
    `${formatCount(rowsRead)} of ${formatCount(rowsEstimate)} rows`,
    ...(isRunning && rowsPerSecond !== null ? [`${formatCount(Math.round(rowsPerSecond))} rows/s`] : []),
    ...(run.secondsLeft === null ? [] : [`${formatSeconds(run.secondsLeft)} left`]),
    ...(isRunning && run.waitsFor !== null ? [`waits: ${run.waitsFor}`] : []),
  ]
  return `backfill ${run.id} of ${table} (${lane}) is ${status}: ${parts.join(', ')}`
}

function serviceRows({ service, projector }: ServiceStatus): readonly (readonly Cell[])[] {
  if (projector.value === null) return [[service, errorCell(projector), null, null, null, null]]
  const { lanes, parked } = projector.value
  return lanes.map((l) => [
    service,
    l.lane,
    l.position,
    l.lagEvents,
    l.lagSeconds === null ? null : formatSeconds(l.lagSeconds),
    parked,
  ])
}

function errorCell(measured: Measured<unknown>): Cell {
  return measured.error === null ? null : measured.error.code
}
