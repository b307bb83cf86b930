/** What a reader reports of itself, for metrics, progress lines and tests. */
import type { EpochMicros, Lsn, PositionNumber, Uuid } from '@sluice/core'
import type { BackfillStatus, LanePhase } from '@sluice/store'

export type ReaderProgress =
  | { readonly kind: 'phase'; readonly phase: LanePhase }
  /** A part of a load begins: its snapshot was taken. */
  | { readonly kind: 'load-started'; readonly snapshotLsn: Lsn; readonly isResumed: boolean; readonly tables: number }
  /** A chunk is durable. */
  | {
      readonly kind: 'chunk'
      readonly table: string
      readonly rows: number
      readonly tableRows: number
      readonly estimatedRows: number
    }
  | { readonly kind: 'table-loaded'; readonly table: string; readonly rows: number }
  /** The slot is being read. */
  | { readonly kind: 'connected'; readonly lsn: Lsn }
  /** A batch was written; events of a commit that is not complete are not durable yet. */
  | {
      readonly kind: 'stored'
      readonly events: number
      readonly bytes: number
      readonly commits: number
      readonly position: PositionNumber
      readonly commitLsn: Lsn
      readonly committedAt: EpochMicros
    }
  /** Nothing was pending up to here, and that is recorded. */
  | { readonly kind: 'keepalive'; readonly lsn: Lsn }
  /** PostgreSQL was told that everything below is durable. */
  | { readonly kind: 'feedback'; readonly lsn: Lsn }
  /** How much is held in memory, at each pause and resume of the socket and with each feedback. */
  | { readonly kind: 'queue'; readonly bytes: number; readonly limitBytes: number; readonly isPaused: boolean }
  /** What the spool of transactions in progress holds on disk, with each feedback that finds it changed. */
  | { readonly kind: 'spool'; readonly bytes: number; readonly limitBytes: number; readonly transactions: number }
  /** A streamed transaction is read again without streaming, up to this LSN, since the stream does not tell it whole. */
  | { readonly kind: 'read-again'; readonly until: Lsn }
  /** A backfill moved on, or stands. */
  | {
      readonly kind: 'backfill'
      readonly id: Uuid
      readonly table: string
      readonly status: BackfillStatus
      readonly rowsRead: bigint
      readonly rowsStored: bigint
      readonly rowsEstimate: bigint
      readonly waitsFor: string | null
      /** Until its last key is passed, as things go; null where it can not be told. */
      readonly secondsLeft: number | null
    }
  /** A chunk of a backfill is durable. */
  | {
      readonly kind: 'backfill-chunk'
      readonly table: string
      readonly rowsStored: number
      /** Rows that were left out: the stream has something newer. */
      readonly rowsDropped: number
    }
  /** A message of an unknown kind was parked. */
  | { readonly kind: 'message-parked'; readonly letter: string; readonly bytes: number; readonly lsn: Lsn }
  /** An application sent a context message that can't be used; its changes keep the context before. */
  | { readonly kind: 'context-refused'; readonly problem: string; readonly commitLsn: Lsn }

export type OnReaderProgress = (progress: ReaderProgress) => void
