/** Bounds of a verification; every wait ends. */
export interface VerifyLimits {
  /** How long projectors may take to stand. @default 15 s */
  readonly standMs: number
  /** How long open write transactions may hold up the temporary slot. @default 30 s */
  readonly slotMs: number
  /** How long reader, relay and projectors may stand without any progress towards the point. @default 30 s */
  readonly stallMs: number
  /** How long they may take altogether. @default 10 min */
  readonly catchUpMs: number
  /** How long a projector stays held if verify dies, and how long the next verify waits for it. @default 5 s */
  readonly barrierMs: number
  /** How often everything is begun again where a hold was lost, as by a database that did not answer for `barrierMs`. @default 3 */
  readonly holdAttemptsMax: number
  /** Time between two looks at how far a stage is. @default 25 ms */
  readonly pollMs: number
  /** Services that are compared at once, each with one connection to the monolith and one to its database. @default 2 */
  readonly concurrency: number
  /** Examples of each kind of difference, a table. @default 5 */
  readonly examples: number
  /** Rows of key and digest that are held of each side of a table. @default 5,000 */
  readonly fetchRows: number
}

export const DEFAULT_VERIFY_LIMITS: VerifyLimits = {
  standMs: 15_000,
  slotMs: 30_000,
  stallMs: 30_000,
  catchUpMs: 600_000,
  barrierMs: 5_000,
  holdAttemptsMax: 3,
  pollMs: 25,
  concurrency: 2,
  examples: 5,
  fetchRows: 5_000,
}
