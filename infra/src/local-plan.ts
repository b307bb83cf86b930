/** How a local server will be started, and where it will answer. */
import type { ProcessSpec } from './process-spec.ts'

export interface LocalServerPlan {
  readonly spec: ProcessSpec
  readonly url: string
}
