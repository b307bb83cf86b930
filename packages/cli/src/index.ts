export * from './node-flags.ts'
