/** What a projector may use, and how long it waits. */
import type { BreakerLimits } from './parking-breaker.ts'

export interface ProjectorLimits extends BreakerLimits {
  /** Messages held for frames that are not complete, in bytes. A frame that is being completed may exceed it alone. @default 16 MiB */
  readonly bufferBytesMax: number
  /** Events after which a transaction ends at the next end of a source commit. @default 5,000 */
  readonly batchEventsMax: number
  /** The same in bytes of messages. @default 3 MiB */
  readonly batchBytesMax: number
  /** How long a transaction is wanted to take at most: a slow service gets smaller ones. One source commit may take longer. @default 2,000 ms */
  readonly transactionMs: number
  /** Rows of one statement. @default 2,000 */
  readonly statementRowsMax: number
  /** How often an idle projector looks for a barrier, and moves over positions that hold nothing for it. @default 100 ms */
  readonly idlePollMs: number
  /** The same while a barrier stands. @default 20 ms */
  readonly barrierPollMs: number
  /** How long a frame may stay incomplete before Kafka is asked whether it still has the events. @default 5,000 ms */
  readonly missingCheckMs: number
  /** Longest delay between two attempts while the service database is away. @default 5,000 ms */
  readonly retryDelayMsMax: number
  /** How long a member whose partition another has claimed waits to hear of it from Kafka, before it fails. @default 10,000 ms */
  readonly revocationMs: number
  /** Longest delay between two attempts of a lane that stands still because too many events are refused. @default 30,000 ms */
  readonly breakerDelayMsMax: number
  /** How long a running transaction may go on after a stop was asked for. @default 10,000 ms */
  readonly stopGraceMs: number
}

const MEBIBYTE = 1024 * 1024

export const DEFAULT_PROJECTOR_LIMITS: ProjectorLimits = {
  bufferBytesMax: 16 * MEBIBYTE,
  batchEventsMax: 5_000,
  batchBytesMax: 3 * MEBIBYTE,
  transactionMs: 2_000,
  statementRowsMax: 2_000,
  idlePollMs: 100,
  barrierPollMs: 20,
  missingCheckMs: 5_000,
  retryDelayMsMax: 5_000,
  revocationMs: 10_000,
  breakerDelayMsMax: 30_000,
  stopGraceMs: 10_000,
  refusedMin: 100,
  refusedShare: 0.5,
}
