export * from './production/run-production-checks.ts'
export * from './run-doctor.ts'
