export * from './migrate-services.ts'
export * from './migration-status.ts'
export type * from './service-database.ts'
export * from './undo-migration.ts'
