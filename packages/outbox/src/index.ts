export * from './outbox-event.ts'
export * from './outbox-migration.ts'
export type * from './queryable.ts'
export * from './transaction-context.ts'
