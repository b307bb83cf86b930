export * from './relay.ts'
export * from './relay-limits.ts'
export * from './relay-progress.ts'
