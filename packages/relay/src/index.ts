export { changedTableWays } from './changed-table.ts'
export { type Relay, type RelayOptions, createRelay, relayTransactionalId } from './relay.ts'
export * from './relay-limits.ts'
export * from './relay-progress.ts'
