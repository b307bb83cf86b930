export * from './database-mark.ts'
export * from './progress.ts'
export * from './server-settings.ts'
export * from './start-servers.ts'
