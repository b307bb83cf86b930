export * from './clickhouse-sink.ts'
export * from './clickhouse-target.ts'
