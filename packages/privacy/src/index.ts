export * from './capture.ts'
export type { ColumnCapture } from './column-capture.ts'
export * from './master-keys.ts'
