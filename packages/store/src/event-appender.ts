/** The contract of the writer's side of the store; see `docs/architecture.md`, "The store". */
import type { CommitInfo, EventDraft, Lsn, PositionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'

/** Events of one source commit or chunk, or a part of one that is larger than a batch. */
export interface AppendPart {
  /** `endLsn` counts in the part with `isLast` only: the source tells it at the end. */
  readonly commit: CommitInfo
  readonly events: readonly EventDraft[]
  /** False while more events of the same commit follow in a later batch. */
  readonly isLast: boolean
}

export interface AppendedRange {
  readonly first: PositionNumber
  readonly last: PositionNumber
}

/**
 * Writes a lane. One appender a lane and process; calls never overlap.
 *
 * A batch is one database transaction: events, heads, links, correlations, a processing batch and the lane's row moved
 * by compare-and-set. A commit larger than a batch keeps the transaction open over several `append` calls, until the
 * part with `isLast` is in; if the process dies before, nothing of it is left.
 */
export interface EventAppender {
  /**
   * An update that came without unchanged values is stored with them, where an image of its row has them.
   *
   * @param alongside Runs in the same transaction before it commits (checkpoints of a load).
   * @returns when the batch is durable; for a batch that ends inside a commit, when it was written but not yet committed.
   * @throws SluiceError SLU-3003 if another reader moved the lane; SLU-2004 if the connection broke (nothing was stored
   *   unless a later start finds it).
   */
  append(parts: readonly AppendPart[], alongside?: (client: ClientBase) => Promise<void>): Promise<AppendedRange | null>
  /** Records that everything below `lsn` is stored or holds nothing for this lane; moves the lane by compare-and-set. */
  recordKeepalive(lsn: Lsn): Promise<void>
  /** Runs other work in a transaction that moves no position but fails if another reader took the lane (phase changes). */
  transact(work: (client: ClientBase) => Promise<void>): Promise<void>
  readonly position: PositionNumber
  /** What may be acknowledged to the slot: the later of stored and keepalive LSN. */
  readonly durableLsn: Lsn
  close(): Promise<void>
}
