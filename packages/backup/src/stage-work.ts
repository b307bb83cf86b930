/** How much of a stage is done, and all of it, in a unit that the time it takes is in proportion to. */
export interface StageWork {
  readonly done: number
  readonly of: number
}
