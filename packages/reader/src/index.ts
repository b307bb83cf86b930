export { type BackfillPlan, type BackfillWish, planBackfill } from './backfill/backfill-plan.ts'
export { READER_LIMITS, type ReaderLimits } from './reader-limits.ts'
export type { OnReaderProgress, ReaderProgress } from './reader-progress.ts'
export { type Reader, type ReaderOptions, createReader } from './reader.ts'
