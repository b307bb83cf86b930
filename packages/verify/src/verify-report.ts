/**
 * What a verification says. `services` has the shape that `sluice verify --json`, the demo and later the switch gates
 * share. A verdict is never better than what was compared.
 */
import type { Consistency } from './consistency.ts'
import type { EditedRow } from './edited-rows.ts'
import type { VersionGap } from '@sluice/store'

/** `unverifiable`: there is no query for what the table must hold, or it could not be run; `reason` says why. */
export type TableStatus = 'equal' | 'different' | 'unverifiable'

export type DifferenceKind = 'missing' | 'extra' | 'different'

/** One row that differs, named by its key. Values other than the key are never in a report. */
export interface DifferenceExample {
  readonly kind: DifferenceKind
  /** PostgreSQL's text of the key's columns, in key order. */
  readonly key: readonly (string | null)[]
  /** For `different`: the columns whose texts differ. */
  readonly columns: readonly string[]
}

export interface TableReport {
  /** Table of the service: its name, with the schema in front where that is not `public`. */
  readonly table: string
  /** Rows that the source says the table must hold. */
  readonly sourceRows: number
  readonly targetRows: number
  /** Expected, but not in the target. */
  readonly missing: number
  /** In the target, but not expected. */
  readonly extra: number
  /** On both sides under one key, with other content. */
  readonly different: number
  readonly status: TableStatus
  readonly reason: string | null
  readonly comparedColumns: readonly string[]
  /** Columns that only the target has: not compared. */
  readonly targetOnlyColumns: readonly string[]
  /** Only of a table whose source has private columns. */
  readonly privacy?: PrivacyReport
  readonly examples: readonly DifferenceExample[]
  readonly durationMs: number
}

/** How private columns were compared: masked and hashed ones in their captured form, among `comparedColumns`. */
export interface PrivacyReport {
  /** Columns of the source that are not captured. */
  readonly droppedColumns: readonly string[]
  /** Columns whose encrypted values were opened and compared. */
  readonly sealedColumns: readonly string[]
  /** Rows with values of erased subjects: they hold the placeholder, or can not be opened. */
  readonly erasedRows: number
}

/** A foreign key of the service between tables that were compared. */
export interface ReferenceReport {
  readonly constraint: string
  /** Table that refers, and table that is referred to, as `TableReport.table`. */
  readonly table: string
  readonly references: string
  /** Rows that refer to one. */
  readonly rows: number
  /** Of them those that refer to a row that is not there. */
  readonly orphans: number
  /** `unverifiable`: a table was truncated or rewritten under the snapshot. */
  readonly status: 'kept' | 'broken' | 'unverifiable'
}

/** A lane and the position that a service's snapshot was taken at. */
export interface LanePoint {
  readonly lane: string
  readonly position: bigint
}

export interface ServiceReport {
  readonly service: string
  readonly tables: readonly TableReport[]
  readonly references: readonly ReferenceReport[]
  readonly consistency: Consistency
  readonly lanes: readonly LanePoint[]
  /** Events that stood parked in the same snapshot: the usual reason for a difference. */
  readonly parked: number
  /** Rows that took effect with an edit, for the comparison does not tell why a row differs, or that it no longer does. */
  readonly edited: readonly EditedRow[]
}

/** The place in a source that everything was compared at. */
export interface SourcePoint {
  readonly source: string
  /** As PostgreSQL prints it. Commits below are in the comparison, all others are not. */
  readonly lsn: string
}

/** `whole`: recomputed and equal, up to the head that the control topic keeps. `unchecked`: `problem` says why. */
export type ChainStatus = 'whole' | 'broken' | 'unchecked'

export interface LaneChain {
  readonly lane: string
  readonly status: ChainStatus
  readonly links: bigint
  readonly events: bigint
  readonly problem: string | null
  /** Events that the lane's relay could not publish, with those behind them: no service has them. */
  readonly parkedAtRelay: number
}

/** Aggregates of the event store whose versions have a gap, or another order than their positions; those that are named first. */
export interface VersionReport {
  readonly gaps: readonly VersionGap[]
  readonly durationMs: number
}

/** What a topic holds, against the event store. */
export interface TopicReport extends Pick<TableReport, 'missing' | 'extra' | 'different' | 'status' | 'examples' | 'durationMs'> {
  readonly topic: string
  readonly lane: string
  /** Up to which position of the lane. */
  readonly through: bigint
  /** Events of the topic in the event store. */
  readonly events: number
  /** Messages in the topic; a truncate is one in each partition. */
  readonly messages: number
  /** Messages behind one of a later position in their partition, without a reason that the relay's parking lot knows. */
  readonly outOfOrder: number
  /** Why the numbers may differ though nothing is wrong, or null. */
  readonly note: string | null
}

/** What each captured table in scope has in every store. */
export interface CountReport {
  readonly tables: readonly TableCounts[]
  /** All topics in scope, those of own events too. */
  readonly topics: readonly TopicReport[]
  /** Topics together whose names differ in the last part only: `contracts.opportunities.*` */
  readonly patterns: readonly PatternCounts[]
}

export interface TableCounts {
  /** Of the monolith, with its schema. */
  readonly table: string
  readonly places: readonly PlaceCount[]
}

export interface PlaceCount {
  /** `monolith`, `event store`, `topic <name>`, or `<service>.<table>` */
  readonly place: string
  /** `rows`: the state; `events`: all that happened. */
  readonly holds: 'rows' | 'events'
  /** Null if it is not known. */
  readonly count: number | null
  /** What it must be; null where there is nothing to hold it against. */
  readonly expected: number | null
  readonly status: TableStatus | null
  /** Why it may be another number than that of other places, or is not known. */
  readonly note: string | null
}

export interface PatternCounts {
  readonly pattern: string
  readonly topics: number
  readonly events: number
  readonly messages: number
}

export interface VerifyReport {
  readonly system: string
  readonly verdict: 'equal' | 'different' | 'partial'
  /** True if every table of every service in scope was compared, none left out by a filter. */
  readonly isComplete: boolean
  readonly sources: readonly SourcePoint[]
  readonly services: readonly ServiceReport[]
  readonly chain: readonly LaneChain[]
  readonly versions: VersionReport
  /** Only where it was asked for. */
  readonly counts?: CountReport
  readonly durationMs: number
  /** How long the projectors were held. */
  readonly heldMs: number
}

/** Equal, of everything, with an unbroken chain: the only outcome that may open a gate. */
export function isGreen(report: VerifyReport): boolean {
  return report.verdict === 'equal'
}

/**
 * The verdict that the parts allow: a difference, a reference to nothing, a broken chain, a gap in versions or a topic that is not as the
 * event store says is `different`, anything not compared `partial`.
 */
export function verdictOf(
  parts: Pick<VerifyReport, 'isComplete' | 'services' | 'chain' | 'versions' | 'counts'>,
): VerifyReport['verdict'] {
  const tables = parts.services.flatMap((service) => service.tables)
  const references = parts.services.flatMap((service) => service.references)
  if (parts.counts?.topics.some((t) => t.status === 'different') === true) return 'different'
  if (parts.versions.gaps.length > 0 || references.some((r) => r.status === 'broken')) return 'different'
  if (tables.some((t) => t.status === 'different') || parts.chain.some((c) => c.status === 'broken')) return 'different'
  const isWhole =
    parts.isComplete &&
    tables.length > 0 &&
    parts.services.every((service) => service.tables.length > 0) &&
    tables.every((t) => t.status === 'equal') &&
    references.every((r) => r.status === 'kept') &&
    parts.chain.every((c) => c.status === 'whole')
  return isWhole ? 'equal' : 'partial'
}
