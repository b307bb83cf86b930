export * from './provision.ts'
export { type RecreatePlan, type RecreatedTable, planRecreate, recreate } from './recreate.ts'
export type * from './step.ts'
export { topicSettings } from './topics.ts'
