/** One line of `npm run bench -- --json`. */
export interface BenchResult {
  readonly scenario: string
  readonly rows: number
  readonly ms: number
  readonly rowsPerSecond: number
  /** Commit in the monolith to commit in the service, by both servers' commit timestamps; null where it was not measured. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly rssMiBMax: Readonly<Record<string, number>>
  /** CPU of Sluice's own processes, user and system. */
  readonly cpuMicrosPerEvent: number
}
