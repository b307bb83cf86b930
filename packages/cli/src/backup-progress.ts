/**
 * The running line of a backup and of a restore: what it is at, how long that still takes as things go, and what comes after it, so that
 * nobody takes the end of the rows for the end.
 */
import type { BackupProgress, RestoreProgress } from '@sluice/backup'
import { TimeLeft } from '@sluice/core'
import { timeLeft } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

type Work = BackupProgress['work']

/** @param now Milliseconds of a clock that never goes back. */
export function backupLine(now?: () => number): (progress: BackupProgress) => string {
  const left = stageTimeLeft(now)
  return ({ stage, tables, ofTables, bytes, work, sinkTables }) => {
    const of = `${formatCount(tables)} of ${formatCount(ofTables)} tables`
    const seconds = left(stage, work)
    if (stage === 'counting') return then(timeLeft(`counting rows, ${of}`, seconds), 'the dump')
    if (stage === 'storing') return `writing ${formatBytes(bytes)} to the disk`
    if (stage === 'exporting') return `${of} of its sink, ${formatBytes(bytes)}`
    const dumping = timeLeft(`${of}, ${formatBytes(bytes)}`, seconds)
    return sinkTables === 0 ? dumping : then(dumping, 'its sink')
  }
}

const RESTORING = {
  checking: 'checking the backup',
  restoring: 'restoring rows',
  indexing: 'making indexes and keys',
  counting: 'counting rows',
  analyzing: 'gathering statistics',
  erasing: 'applying erasures',
  importing: 'filling its sink',
} as const

/** @param now Milliseconds of a clock that never goes back. */
export function restoreLine(now?: () => number): (progress: RestoreProgress) => string {
  const left = stageTimeLeft(now)
  return ({ stage, begun, ofThem, work }) => {
    const things = stage === 'indexing' ? '' : ' tables'
    const count = ofThem === null ? formatCount(begun) : `${formatCount(begun)} of ${formatCount(ofThem)}${things}`
    const text = begun === 0 && ofThem === null ? RESTORING[stage] : `${RESTORING[stage]}, ${count}`
    const timed = timeLeft(text, left(stage, work))
    return stage === 'restoring' ? then(timed, 'indexes and keys') : timed
  }
}

function then(text: string, next: string): string {
  return `${text}, then ${next}`
}

/** Each stage has a pace of its own. */
function stageTimeLeft(now?: () => number): (stage: string, work: Work) => number | null {
  let current: { readonly stage: string; readonly left: TimeLeft } | null = null
  return (stage, work) => {
    if (current?.stage !== stage) current = { stage, left: new TimeLeft(now) }
    return work === null ? null : current.left.seconds(work.done, work.of)
  }
}
