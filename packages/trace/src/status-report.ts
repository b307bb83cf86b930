/** The state of every stage of a system, as `sluice status` prints it. Times are ISO texts, LSNs as PostgreSQL prints them. */
import type { HealthCheck } from '@sluice/core'
import type { BackfillStatus, LanePhase, LoadStatus, ParkedMessageCount } from '@sluice/store'
import type { Measured } from './measured.ts'

export interface SlotStatus {
  readonly name: string
  /** True while a reader is connected. */
  readonly isActive: boolean
  /** `reserved`, `extended`, `unreserved`, `lost`. */
  readonly walStatus: string | null
  /** WAL that the slot keeps from being removed. */
  readonly retainedBytes: bigint
  /** WAL that was not acknowledged yet. */
  readonly unconfirmedBytes: bigint
  /** Left until the slot is lost; null if no limit is set: then the disk is the limit. */
  readonly safeBytes: bigint | null
}

/** What the source's server says. */
export interface SourceStatus {
  readonly walEnd: string
  /** null if the source has no slot of the lane's name. */
  readonly slot: SlotStatus | null
}

export interface TableLoadStatus {
  readonly table: string
  readonly status: LoadStatus
  readonly rows: bigint
  readonly estimate: bigint | null
}

/** A backfill that has not ended, or has failed and waits for somebody. */
export interface RunningBackfill {
  readonly id: string
  readonly table: string
  readonly status: BackfillStatus
  /** Keys that were passed, and that there are. */
  readonly rowsRead: bigint
  readonly rowsEstimate: bigint
  /** Keys a second lately; null before the first chunk. */
  readonly rowsPerSecond: number | null
  /** As things go; null where it can not be told. */
  readonly secondsLeft: number | null
  readonly waitsFor: string | null
}

/** What the pipeline database says of a lane. */
export interface StoreStatus {
  readonly phase: LanePhase
  /** Number of the last event: as many were stored in all. */
  readonly position: bigint
  readonly link: bigint
  readonly storedLsn: string
  readonly durableLsn: string
  readonly lastCommitAt: string | null
  readonly updatedAt: string
  readonly load: readonly TableLoadStatus[]
  /** Until the initial load is stored, as things go; null where it can not be told, or nothing is loaded. */
  readonly loadSecondsLeft: number | null
  readonly backfills: readonly RunningBackfill[]
  /** Messages of the replication protocol that this version does not know: what they meant took no effect. */
  readonly parkedMessages: ParkedMessageCount
}

/** How far the reader is behind the end of the source's WAL. */
export interface ReaderLag {
  readonly bytes: bigint
  /** 0 while nothing is behind; else the age of the last commit, or of the last sign of life, that was stored. */
  readonly seconds: number
}

export interface RelayStatus {
  readonly position: bigint
  /** `control topic`, or `store` where Kafka did not answer: then it may be a moment old. */
  readonly from: 'control topic' | 'store'
  /** null where the store could not be asked. */
  readonly pendingEvents: bigint | null
  /** How long the oldest of them waits. */
  readonly pendingSeconds: number | null
  /** The event that Kafka or the registry refuses now. */
  readonly failing: { readonly position: bigint; readonly attempts: number; readonly error: string } | null
  /** Events that wait because they can not be published, and why the first does; null where the store could not be asked. */
  readonly parked: { readonly events: number; readonly error: string | null } | null
}

export interface LaneStatus {
  readonly lane: string
  readonly source: Measured<SourceStatus>
  readonly store: Measured<StoreStatus>
  /** null where source or store could not be asked. */
  readonly readerLag: ReaderLag | null
  readonly relay: Measured<RelayStatus>
}

export interface ProjectorLaneStatus {
  readonly lane: string
  readonly position: bigint
  readonly updatedAt: string | null
  /** By position; null where the store could not be asked. */
  readonly lagEvents: bigint | null
  /** Age of the oldest commit that is not applied. */
  readonly lagSeconds: number | null
}

export interface ProjectorStatus {
  readonly lanes: readonly ProjectorLaneStatus[]
  readonly parked: number
  /** Held by a verification. */
  readonly isHeld: boolean
  /** Projectors that share the partitions of an independent service; 0 where one works through everything. */
  readonly members: number
}

export interface ServiceStatus {
  readonly service: string
  readonly projector: Measured<ProjectorStatus>
}

/** A table that a service only reads: a copy of what another one owns. */
export interface CopyStatus {
  readonly service: string
  readonly table: string
  readonly owner: string
  /** Events that were stored and are not in the copy's service yet, of any table; null where it could not be asked. */
  readonly lagEvents: bigint | null
  /** Age of the oldest commit that the copy may lack. */
  readonly lagSeconds: number | null
}

export interface SystemStatus {
  readonly system: string
  readonly at: string
  readonly lanes: readonly LaneStatus[]
  readonly services: readonly ServiceStatus[]
  readonly copies: readonly CopyStatus[]
  readonly checks: readonly HealthCheck[]
}
