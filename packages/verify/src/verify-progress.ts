/** What a verification tells while it runs. */
import type { TableReport } from './verify-report.ts'

export type VerifyProgress =
  | { readonly phase: 'holding'; readonly services: readonly string[] }
  | { readonly phase: 'snapshot'; readonly source: string; readonly lsn: string }
  | { readonly phase: 'waiting'; readonly lane: string; readonly stage: string; readonly at: string; readonly goal: string }
  | { readonly phase: 'released'; readonly heldMs: number }
  /** Before the first table: bytes of all that will be compared, on the services' disks. */
  | { readonly phase: 'measured'; readonly bytes: number }
  | { readonly phase: 'comparing'; readonly service: string; readonly table: string }
  /** With the bytes of all tables so far. */
  | { readonly phase: 'compared'; readonly service: string; readonly table: TableReport; readonly bytes: number }
  /** Rows of a sink's table that were read so far, of those that it had when this began; null while they are counted. */
  | {
      readonly phase: 'sink'
      readonly service: string
      readonly table: string
      readonly rows: number
      readonly of: number | null
    }
  /** Events so far, and in all. */
  | { readonly phase: 'chain'; readonly lane: string; readonly events: bigint; readonly of: bigint }
  /** The versions of all aggregates of the event store. */
  | { readonly phase: 'versions' }
  /** Messages of the topic that were read so far. */
  | { readonly phase: 'topic'; readonly topic: string; readonly messages: number }
  | { readonly phase: 'warning'; readonly message: string }

export type OnVerifyProgress = (progress: VerifyProgress) => void
