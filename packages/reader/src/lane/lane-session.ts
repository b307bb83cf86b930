/** What the parts of a running reader share. */
import type { Logger } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import type { Capture } from '@sluice/privacy'
import type { EventAppender, LaneRecord } from '@sluice/store'
import type { LaneDefinition } from '@sluice/system'
import type pg from 'pg'
import type { ReaderLimits } from '../reader-limits.ts'
import type { OnReaderProgress } from '../reader-progress.ts'
import type { CatalogTable } from '../source/source-catalog.ts'
import type { SourceTypes } from '../source/source-types.ts'

export interface LaneSession {
  readonly lane: LaneDefinition
  readonly record: LaneRecord
  readonly source: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly applicationName: string
  /** An ordinary connection to the source, with nothing on its search path. */
  readonly control: pg.Client
  readonly catalog: ReadonlyMap<string, CatalogTable>
  readonly types: SourceTypes
  /** What the lane's tables declare private, at work. */
  readonly capture: Capture
  /** Seals what is to be encrypted, then stores. */
  readonly appender: EventAppender
  readonly limits: ReaderLimits
  readonly logger: Logger
  readonly onProgress: OnReaderProgress
}
