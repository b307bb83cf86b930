export * from './decoder.ts'
export * from './message.ts'
