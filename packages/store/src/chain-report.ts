/** What a check of a lane's chain found. */
import type { LaneId } from '@sluice/core'

/** Why a chain does not hold; the first thing that was found, in the order of positions. */
export type ChainBreak =
  /** The events of the link have another hash than it says: one of them was changed. */
  | 'changed'
  /** A position of the link is not in the store, or is there twice. */
  | 'event-missing'
  /** The link itself, or one before it, is not there. */
  | 'link-missing'
  /** The chain ends before the head that is known from elsewhere: its tail was removed. */
  | 'tail-missing'
  /** The last link differs from the lane's head, or from the one that is known from elsewhere. */
  | 'head-differs'
  /** There are events behind the lane's position, which no link covers. */
  | 'event-added'

export interface ChainReport {
  readonly lane: LaneId
  readonly laneName: string
  readonly isWhole: boolean
  readonly broken: { readonly kind: ChainBreak; readonly link: bigint; readonly position: bigint; readonly why: string } | null
  /** The link after which the check began: 0, or the one that retention or the caller named. */
  readonly afterLink: bigint
  readonly links: bigint
  readonly events: bigint
  /** Number and hash, in hex, of the last link that holds. */
  readonly link: bigint
  readonly head: string
}

/** A finding; ends the check. */
export class Broken extends Error {
  readonly finding: NonNullable<ChainReport['broken']>

  constructor(kind: ChainBreak, link: bigint, position: bigint, why: string) {
    super(why)
    this.finding = { kind, link, position, why }
  }
}
