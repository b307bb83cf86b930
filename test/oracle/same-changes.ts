/**
 * Compares what a source committed with what its lane has stored, commit by commit: the same changes in the same order.
 *
 * A load that was killed goes on under a newer snapshot, and until there the lane has only changes of rows that were loaded by then; an
 * update that took its row out of the loaded part is a delete there. So up to that snapshot a commit may lack changes, but have no other.
 */
import { type CommitChanges, type RowChange, describeChange } from './row-change.ts'

export interface ChangesReport {
  /** Compared, of the source. */
  readonly changes: number
  /** Committed and not stored. */
  readonly lost: number
  /** Stored and not committed, or once more than committed. */
  readonly doubled: number
  /** Commits whose changes are all there, in another order. */
  readonly outOfOrder: number
  readonly problems: readonly string[]
}

const PROBLEMS_MAX = 20

interface Findings {
  changes: number
  lost: number
  doubled: number
  outOfOrder: number
  readonly problems: string[]
}

/**
 * Both sides in the order of their commits; one commit of each is held at a time.
 *
 * @param wholeFrom LSN of the last snapshot that was loaded from: commits behind it must be stored whole
 */
export async function compareChanges(
  source: AsyncIterable<CommitChanges>,
  stored: AsyncIterable<CommitChanges>,
  wholeFrom: bigint,
): Promise<ChangesReport> {
  const findings: Findings = { changes: 0, lost: 0, doubled: 0, outOfOrder: 0, problems: [] }
  const sourceCommits = source[Symbol.asyncIterator]()
  const storedCommits = stored[Symbol.asyncIterator]()
  let committed = await nextOf(sourceCommits)
  let kept = await nextOf(storedCommits)
  while (committed !== null || kept !== null) {
    const endLsn = earlier(committed?.endLsn, kept?.endLsn)
    const here = committed?.endLsn === endLsn ? committed.changes : []
    const there = kept?.endLsn === endLsn ? kept.changes : []
    if (endLsn > wholeFrom) compareWhole(findings, endLsn, here, there)
    else compareLoading(findings, endLsn, here, there)
    if (committed?.endLsn === endLsn) committed = await nextOf(sourceCommits)
    if (kept?.endLsn === endLsn) kept = await nextOf(storedCommits)
  }
  return findings
}

function compareWhole(findings: Findings, endLsn: bigint, source: readonly RowChange[], stored: readonly RowChange[]): void {
  const wanted = source.map(describeChange)
  const found = stored.map(describeChange)
  findings.changes += wanted.length
  if (wanted.length === found.length && wanted.every((change, i) => change === found[i])) return
  const lost = without(wanted, found)
  const extra = without(found, wanted)
  findings.lost += lost.length
  findings.doubled += extra.length
  for (const change of lost) report(findings, endLsn, `${change} is not in the store`)
  for (const change of extra) report(findings, endLsn, `${change} is in the store and not, or not so often, in the source`)
  if (lost.length + extra.length > 0) return
  findings.outOfOrder += 1
  report(findings, endLsn, `its ${wanted.length} changes are stored in another order`)
}

/** While the load goes on: what is stored is among the changes, in their order. */
function compareLoading(findings: Findings, endLsn: bigint, source: readonly RowChange[], stored: readonly RowChange[]): void {
  let at = 0
  for (const change of stored) {
    while (at < source.length && !isStoredAs(source[at]!, change)) at += 1
    if (at < source.length) {
      at += 1
      findings.changes += 1
      continue
    }
    findings.doubled += 1
    report(findings, endLsn, `${describeChange(change)} is in the store and not, or not there, in the source`)
    at = 0
  }
}

function isStoredAs(change: RowChange, stored: RowChange): boolean {
  if (describeChange(change) === describeChange(stored)) return true
  return change.op === 'u' && stored.op === 'd' && change.aggregate === stored.aggregate && change.key === stored.key
}

/** What `all` has more often than `taken`. */
function without(all: readonly string[], taken: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const change of taken) counts.set(change, (counts.get(change) ?? 0) + 1)
  return all.filter((change) => {
    const left = counts.get(change) ?? 0
    counts.set(change, left - 1)
    return left <= 0
  })
}

function report({ problems }: Findings, endLsn: bigint, what: string): void {
  if (problems.length < PROBLEMS_MAX) problems.push(`commit that ends at ${lsnText(endLsn)}: ${what}`)
}

function earlier(one: bigint | undefined, other: bigint | undefined): bigint {
  if (one === undefined) return other!
  return other === undefined || one < other ? one : other
}

async function nextOf(commits: AsyncIterator<CommitChanges>): Promise<CommitChanges | null> {
  const next = await commits.next()
  return next.done === true ? null : next.value
}

function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase()
}
