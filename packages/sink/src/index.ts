export type * from './sink.ts'
export * from './sink-rows.ts'
