/** `sluice verify`: exit 0 equal, 4 different or partial. */
import { silentLogger } from '@sluice/core'
import { type VerifyProgress, verifySystem } from '@sluice/verify'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import type { Phase, Progress } from '../progress.ts'
import { kafkaOf } from '../servers.ts'
import { formatCount, formatSeconds } from '../table.ts'
import { verifyNotes, verifyTable, verifyVerdict } from '../verify-output.ts'

const Options = z.object({ service: z.string().optional(), timeout: z.number() })

export const verify: CommandImplementation = async (context, { options }) => {
  const { service, timeout } = Options.parse(options)
  const system = await context.system()
  const services = service === undefined ? Object.keys(system.services) : [requireService(system, service)]
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services: Object.keys(system.services),
    kafka: true,
  })
  const show = verifyProgress(context.progress, context.say)
  const report = await verifySystem({
    system,
    services,
    targets: deployment,
    kafka: kafkaOf(deployment.kafka, silentLogger),
    limits: { slotMs: timeout * 1000, stallMs: timeout * 1000 },
    onProgress: show.onProgress,
    signal: context.signal,
  })
  show.done()
  const verdict = verifyVerdict(report)
  const rows = report.services.flatMap((s) => s.tables).reduce((sum, t) => sum + t.sourceRows, 0)
  return {
    summary: `equal: ${formatCount(rows)} rows compared in ${formatSeconds(report.durationMs / 1000)}, projectors held ${report.heldMs} ms`,
    result: { equal: verdict === null, ...report },
    text: [verifyTable(report.services), '', ...verifyNotes(report)].join('\n'),
    ...(verdict ? { verdict } : {}),
  }
}

/** One line a phase: reach the point, compare, recompute the chain. */
export function verifyProgress(
  progress: Progress,
  say: (line: string) => void,
): { readonly onProgress: (p: VerifyProgress) => void; done(): void } {
  let phase: Phase | null = null
  let title = ''
  const enter = (next: string, text: string): void => {
    if (next !== title) {
      phase?.done()
      phase = progress.phase(next)
      title = next
    }
    phase?.update(text)
  }
  return {
    done: () => phase?.done(),
    onProgress: (p) => {
      switch (p.phase) {
        case 'holding':
          return enter('holding the projectors', p.services.join(', '))
        case 'snapshot':
          return enter('taking the snapshot', `${p.source} at ${p.lsn}`)
        case 'waiting':
          return enter('waiting for the stages to arrive', `${p.lane}: ${p.stage} is at ${p.at} of ${p.goal}`)
        case 'released':
          return enter('comparing', `projectors were held ${p.heldMs} ms`)
        case 'comparing':
          return enter('comparing', `${p.service}.${p.table}`)
        case 'compared':
          return enter('comparing', `${p.service}.${p.table.table}: ${p.table.status}`)
        case 'chain':
          return enter('recomputing the hash chain', `${p.lane}: ${formatCount(p.events)} events`)
        case 'warning':
          return say(`! ${p.message}`)
      }
    },
  }
}
