export type * from './open-sinks.ts'
export type * from './sink.ts'
export * from './sink-rows.ts'
export * from './whole-lines.ts'
