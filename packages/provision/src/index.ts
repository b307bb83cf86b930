export * from './provision.ts'
export type * from './step.ts'
export { topicSettings } from './topics.ts'
