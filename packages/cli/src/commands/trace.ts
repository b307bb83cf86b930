/** `sluice trace <correlation-id>`: the tree of what caused what, with the time at each stage. Exit 4 where nobody knows the id. */
import { SluiceError } from '@sluice/core'
import { type CausationNode, type CorrelationTrace, type TracedEvent, readTrace } from '@sluice/trace'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatSeconds } from '../table.ts'

export const trace: CommandImplementation = async (context, { args }) => {
  const correlationId = args[0] ?? ''
  const system = await context.system()
  const deployment = readDeployment(context.environment, system, { pipeline: true, services: Object.keys(system.services) })
  const found = await readTrace({ system, targets: deployment, correlationId })
  if (found.events > 0n) return { summary: `${found.events} events`, result: found, text: traceText(found) }
  const verdict = unknownCorrelation(correlationId)
  return { summary: verdict.what, result: found, text: '', verdict }
}

function unknownCorrelation(correlationId: string): SluiceError {
  return new SluiceError('CORRELATION_UNKNOWN', {
    what: `nothing is known of the correlation "${correlationId}"`,
    why: 'no stored event has that correlation id: it was never written, is not stored yet, or retention removed its events',
    ways: ['sluice events --limit 10    shows ids that there are'],
  })
}

export function traceText(found: CorrelationTrace): string {
  return [
    `correlation ${found.correlationId}`,
    ...found.roots.flatMap((root) => nodeLines(root, '')),
    ...(found.isComplete ? [] : ['… only the first events of each lane are shown']),
    ...found.problems.map((p) => `! ${p.service} could not be asked: ${p.error.code} ${p.error.what}`),
  ].join('\n')
}

function nodeLines(node: CausationNode<TracedEvent>, indent: string): readonly string[] {
  const { event } = node
  const at = Date.parse(event.committedAt)
  const after = (time: string | null): string =>
    time === null ? '-' : `+${formatSeconds(Math.max(0, Date.parse(time) - at) / 1000)}`
  const published = event.isPublished ? `published ${after(event.publishedAt)}` : 'not published yet'
  return [
    `${indent}${event.committedAt}  ${event.eventType} v${event.version}  ${event.aggregateType} ${event.aggregateKey ?? event.aggregateId}  (${event.lane}:${event.position})`,
    `${indent}    stored ${after(event.storedAt)}  ${published}`,
    ...event.services.map(
      (s) =>
        `${indent}    ${s.service}: ${s.status}${s.at === null ? '' : ` ${after(s.at)}`}${s.error === null ? '' : ` ${s.error}`}`,
    ),
    ...node.children.flatMap((child) => nodeLines(child, `${indent}  `)),
  ]
}
