/** A step of provisioning and what came of it. */
export type StepOutcome =
  /** It was made now. */
  | 'done'
  /** It was there. */
  | 'present'
  /** A dry run: it would be made. */
  | 'planned'

export interface ProvisionStep {
  /** `pipeline`, `service.analytics`, `kafka`, `registry` */
  readonly place: string
  /** `migrations of Sluice`, `topic contracts.users.migrated` */
  readonly what: string
  readonly outcome: StepOutcome
  /** What was applied, or what stands in the way of nothing being left to do. */
  readonly detail: string
}

/** Parts are databases, recorded erasures, the topics, and the schemas; of one that is made anew, what is done with it. */
export interface ProvisionParts {
  /** Those that are done. */
  readonly done: number
  readonly of: number
}

export type OnStep = (step: ProvisionStep, parts: ProvisionParts) => void
