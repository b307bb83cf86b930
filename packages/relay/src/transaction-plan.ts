/** Which positions go into the next Kafka transaction. */
import { type PositionNumber, positionNumber } from '@sluice/core'
import type { StoredCommit } from '@sluice/store'

/** A link of the chain: its number and hash in hex. */
export interface ChainHead {
  readonly link: bigint
  readonly head: string
}

export interface TransactionPlan {
  readonly after: PositionNumber
  readonly through: PositionNumber
  /** False inside a commit that is larger than a transaction may be. */
  readonly commitEnd: boolean
  /** The last link that is closed at or below `through`. */
  readonly chain: ChainHead
}

/** Share of the bound that a piece of a commit has which may come apart: consumers hold two of them at a time. */
const PIECE_SHARE = 0.4

/**
 * Takes whole commits up to `eventsMax` events; of a first commit that has more, a smaller piece.
 *
 * @param commits Those that end after `after`, in order, at least one. The first may have begun before.
 * @param before The last link that is closed at or below `after`.
 */
export function planTransaction(
  commits: readonly StoredCommit[],
  after: PositionNumber,
  before: ChainHead,
  eventsMax: number,
): TransactionPlan {
  const end = after + BigInt(eventsMax)
  const last = commits.findLast((c) => c.last <= end)
  if (last) return { after, through: last.last, commitEnd: true, chain: { link: last.link, head: last.hash } }
  const [first] = commits
  // A commit whose first part was published may end below the bound in what is left of it: then it was found above.
  if (first !== undefined && first.last - first.first < BigInt(eventsMax)) return wholeCommit(first, after)
  const piece = BigInt(Math.ceil(eventsMax * PIECE_SHARE))
  return { after, through: positionNumber(after + piece), commitEnd: false, chain: before }
}

/** Commits that fit into a bound never come apart, wherever the bound was drawn before. */
function wholeCommit(commit: StoredCommit, after: PositionNumber): TransactionPlan {
  return { after, through: commit.last, commitEnd: true, chain: { link: commit.link, head: commit.hash } }
}

/** The plan cut to the last commit that ends at or below a position; null if none does. */
export function cutPlan(
  plan: TransactionPlan,
  commits: readonly StoredCommit[],
  position: PositionNumber,
): TransactionPlan | null {
  const last = commits.findLast((c) => c.last <= position && c.last > plan.after)
  return last ? wholeCommit(last, plan.after) : null
}
