/** A verification's report as text, as JSON and as the error that its verdict is. */
import { SluiceError, TimeLeft } from '@sluice/core'
import {
  type CountReport,
  type ReferenceReport,
  type ServiceReport,
  type TopicReport,
  type VerifyProgress,
  type VerifyReport,
  isGreen,
} from '@sluice/verify'
import { type Phase, type Progress, timeLeft } from './progress.ts'
import { formatCount, renderTable } from './table.ts'

export function verifyTable(services: readonly ServiceReport[]): string {
  const right = { align: 'right' } as const
  return renderTable(
    [
      { title: 'service' },
      { title: 'table' },
      { title: 'must be', ...right },
      { title: 'found', ...right },
      { title: 'missing', ...right },
      { title: 'extra', ...right },
      { title: 'different', ...right },
      { title: 'verdict' },
    ],
    services.flatMap(({ service, tables }) =>
      tables.map((t) => [service, t.table, t.sourceRows, t.targetRows, t.missing, t.extra, t.different, t.status]),
    ),
  )
}

/** How much of each service is as it must be. */
export function consistencyTable(services: readonly ServiceReport[]): string {
  const right = { align: 'right' } as const
  return renderTable(
    [
      { title: 'service' },
      { title: 'rows', ...right },
      { title: 'equal', ...right },
      { title: 'references', ...right },
      { title: 'kept', ...right },
      { title: 'consistency', ...right },
    ],
    services.map(({ service, consistency: c }) => [
      service,
      c.rows,
      c.equalRows,
      c.references,
      c.keptReferences,
      c.percent === null ? 'unverifiable' : `${c.percent.toFixed(2)} %`,
    ]),
  )
}

function differingTopics({ counts }: VerifyReport): readonly TopicReport[] {
  return counts?.topics.filter(({ status }) => status === 'different') ?? []
}

type VersionGap = VerifyReport['versions']['gaps'][number]

/**
 * What each table has in every store, a table a block. Topics that are counted together are named only where they are several: one alone
 * stands with its table.
 */
export function countsTable({ tables, patterns }: CountReport): string {
  const right = { align: 'right' } as const
  const text = (count: number | null): string => (count === null ? '' : formatCount(count))
  const several = patterns.filter((p) => p.topics > 1)
  const rows = [
    ...tables.flatMap(({ table, places }) => [
      [table, '', '', '', ''],
      ...places.map((p) => [`  ${p.place}`, p.holds, text(p.count), text(p.expected), p.status ?? '']),
    ]),
    ...several.map((p) => [`${p.pattern}, ${p.topics} topics`, 'events', formatCount(p.messages), formatCount(p.events), '']),
  ]
  const columns = [{ title: 'place' }, { title: 'holds' }, { title: 'count', ...right }, { title: 'must be', ...right }]
  const notes = tables.flatMap(({ table, places }) =>
    places.flatMap(({ place, note }) => (note === null ? [] : [`${table}, ${place}: ${note}`])),
  )
  return [renderTable([...columns, { title: 'verdict' }], rows), ...notes].join('\n')
}

/** A topic that is not as the event store says. */
function topicTrouble({ topic, missing, extra, different, outOfOrder }: TopicReport): string {
  return `topic ${topic}: ${missing} missing, ${extra} extra, ${different} different, ${outOfOrder} out of order`
}

/** Lines below the table: keys that differ, chains, versions, parked events, what was not compared. */
export function verifyNotes(report: VerifyReport): readonly string[] {
  return [
    ...report.services.flatMap(({ service, tables, references, parked, edited }) => [
      ...tables.flatMap((t) => [
        ...t.examples.map((e) => {
          const columns = e.columns.length > 0 ? ` in ${e.columns.join(', ')}` : ''
          return `${service}.${t.table}: key (${e.key.map((k) => k ?? 'NULL').join(', ')}) is ${e.kind}${columns}`
        }),
        ...(t.reason === null ? [] : [`${service}.${t.table}: ${t.status}: ${t.reason}`]),
        ...(t.privacy && t.privacy.erasedRows > 0
          ? [`${service}.${t.table}: ${formatCount(t.privacy.erasedRows)} rows of erased subjects, counted apart`]
          : []),
        ...(t.privacy && t.privacy.droppedColumns.length > 0
          ? [`${service}.${t.table}: not captured from the monolith: ${t.privacy.droppedColumns.join(', ')}`]
          : []),
      ]),
      ...references
        .filter((r) => r.status !== 'kept')
        .map((r) => `${service}.${r.table}: ${r.constraint} is ${r.status}: ${referenceTrouble(r)}`),
      ...(parked > 0 ? [`${service}: ${parked} parked events: sluice parked list ${service}`] : []),
      ...edited.map(
        (e) =>
          `${service}: ${e.aggregateType}/${e.aggregateKey} was edited in ${e.columns.join(', ')} by ${e.requestedBy} (event ${e.eventId}, applied ${e.appliedAt})`,
      ),
    ]),
    ...report.chain.flatMap((c) =>
      c.parkedAtRelay > 0
        ? [`lane ${c.lane}: ${c.parkedAtRelay} events parked at its relay: sluice parked list ${c.lane} --relay`]
        : [],
    ),
    ...report.chain.map(
      (c) =>
        `chain of lane ${c.lane}: ${c.status}, ${c.links} links, ${c.events} events${c.problem === null ? '' : `: ${c.problem}`}`,
    ),
    ...report.versions.gaps.map(versionGap),
    ...differingTopics(report).flatMap((t) => [
      topicTrouble(t),
      ...t.examples.map(
        (e) => `topic ${t.topic}: event ${e.key.join()} is ${e.kind}${e.columns.length > 0 ? ` in ${e.columns.join()}` : ''}`,
      ),
    ]),
  ]
}

function versionGap({ aggregateType, aggregateId, why }: VersionGap): string {
  return `versions of ${aggregateType}/${aggregateId} have a gap, or no order: ${why}`
}

function referenceTrouble({ references, orphans, rows, status }: ReferenceReport): string {
  if (status === 'unverifiable') return `it or ${references} was truncated or rewritten meanwhile; compare again`
  return `${formatCount(orphans)} of ${formatCount(rows)} rows refer to a row of ${references} that is not there`
}

/** The verdict as an error, or null if everything is equal. */
export function verifyVerdict(report: VerifyReport): SluiceError | null {
  if (isGreen(report)) return null
  const tables = report.services.flatMap((s) => s.tables.map((t) => ({ service: s.service, ...t })))
  const bad = tables.filter((t) => t.status !== 'equal')
  const chains = report.chain.filter((c) => c.status !== 'whole')
  const references = report.services.flatMap((s) => s.references.map((r) => ({ service: s.service, ...r })))
  const why = [
    ...references
      .filter((r) => r.status !== 'kept')
      .map((r) => `${r.service}.${r.table}: reference ${r.constraint} is ${r.status}: ${referenceTrouble(r)}`),
    ...bad.map((t) =>
      t.status === 'unverifiable'
        ? `${t.service}.${t.table} is unverifiable: ${t.reason ?? ''}`
        : `${t.service}.${t.table}: ${t.missing} missing, ${t.extra} extra, ${t.different} different`,
    ),
    ...report.versions.gaps.map(versionGap),
    ...differingTopics(report).map(topicTrouble),
    ...chains.map((c) => `chain of lane ${c.lane} is ${c.status}: ${c.problem ?? ''}`),
    ...(report.isComplete ? [] : ['only some tables were compared']),
  ].join('\n')
  const isBroken = chains.some((c) => c.status === 'broken')
  const parked = [
    ...report.chain.filter((c) => c.parkedAtRelay > 0).map((c) => `sluice parked list ${c.lane} --relay`),
    ...report.services.filter((s) => s.parked > 0).map((s) => `sluice parked list ${s.service}`),
  ]
  return new SluiceError(isBroken ? 'CHAIN_BROKEN' : report.verdict === 'different' ? 'VERIFY_DIFFERENT' : 'VERIFY_PARTIAL', {
    what: isBroken ? 'the hash chain does not match the stored events' : `verification of "${report.system}": ${report.verdict}`,
    why: why === '' ? 'nothing was compared' : why,
    ways: parked.length > 0 ? parked : ['sluice verify --json    names keys and columns', 'sluice status'],
  })
}

/** One line a phase: reach the point, compare tables, compare sinks, recompute the chain; all but the first with the time left, as things go. */
export function verifyProgress(
  progress: Progress,
  say: (line: string) => void,
  now?: () => number,
): { readonly onProgress: (p: VerifyProgress) => void; done(): void } {
  let phase: Phase | null = null
  let title = ''
  let compared: { readonly left: TimeLeft; readonly of: number; done: number } | null = null
  const chains = new Map<string, TimeLeft>()
  const sinks = new Map<string, TimeLeft>()
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
        case 'holding': {
          enter('holding the projectors', p.services.join(', '))
          return
        }
        case 'snapshot': {
          enter(`taking the snapshot of ${p.source}`, `at ${p.lsn}`)
          return
        }
        case 'waiting': {
          enter(`waiting for the stages of lane ${p.lane}`, `${p.stage} is at ${p.at} of ${p.goal}`)
          return
        }
        case 'released': {
          enter('comparing', `projectors were held ${p.heldMs} ms`)
          return
        }
        case 'measured': {
          compared = { left: new TimeLeft(now), of: p.bytes, done: 0 }
          compared.left.seconds(0, p.bytes)
          return
        }
        case 'comparing': {
          const seconds = compared?.left.seconds(compared.done, compared.of) ?? null
          enter('comparing', timeLeft(`${p.service}.${p.table}`, seconds))
          return
        }
        case 'compared': {
          if (compared) compared.done = p.bytes
          const seconds = compared?.left.seconds(p.bytes, compared.of) ?? null
          enter('comparing', timeLeft(`${p.service}.${p.table.table}: ${p.table.status}`, seconds))
          return
        }
        case 'sink': {
          const name = `${p.service}.${p.table}`
          if (p.of === null) {
            enter('comparing sinks', `${name}: counting its rows`)
            return
          }
          const left = sinks.get(name) ?? new TimeLeft(now)
          sinks.set(name, left)
          const seconds = left.seconds(p.rows, p.of)
          enter('comparing sinks', timeLeft(`${name}: ${formatCount(p.rows)} of ${formatCount(p.of)} rows`, seconds))
          return
        }
        case 'chain': {
          const left = chains.get(p.lane) ?? new TimeLeft(now)
          chains.set(p.lane, left)
          const seconds = left.seconds(Number(p.events), Number(p.of))
          enter(
            'recomputing the hash chain',
            timeLeft(`${p.lane}: ${formatCount(p.events)} of ${formatCount(p.of)} events`, seconds),
          )
          return
        }
        case 'topic': {
          enter('reading the topics', `${p.topic}: ${formatCount(p.messages)} messages`)
          return
        }
        case 'versions': {
          enter('counting versions', 'of every aggregate of the event store')
          return
        }
        case 'warning': {
          say(`! ${p.message}`)
          return
        }
      }
    },
  }
}
