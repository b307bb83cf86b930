/** Bounds and intervals of a reader. */
export interface ReaderLimits {
  /** A batch that holds so many events is full. @default 5,000 */
  readonly batchEventsMax: number
  /** A batch that holds so many bytes is full. Two batches are held at most: one fills while one is written. @default 4 MiB */
  readonly batchBytesMax: number
  /** Rows of a chunk of an initial load or backfill. @default 5,000 */
  readonly chunkRowsMax: number
  /** Bytes of a chunk; the row that reaches it ends it. A load holds one for each of its readers, and the one that is written. @default 4 MiB */
  readonly chunkBytesMax: number
  /** Sessions that read the source during an initial load. @default 2 */
  readonly loadReaders: number
  /** How often PostgreSQL is told what is durable. @default 1,000 */
  readonly feedbackIntervalMs: number
  /** How often a position without events is recorded at most. @default 1,000 */
  readonly keepaliveIntervalMs: number
  /** How often a heartbeat moves the WAL of the source. @default 10,000 */
  readonly heartbeatIntervalMs: number
  /** After so long without a word from the server the connection counts as lost. @default 90,000 */
  readonly silenceMs: number
  /** How long a slot's creation may wait for open write transactions. @default 60,000 */
  readonly slotCreationMs: number
  /** Keys that moved into the loaded part while a load was interrupted. @default 1,000,000 */
  readonly stragglersMax: number
  /** Large transactions come while they run, and are spooled to disk. False: PostgreSQL keeps them until they commit. @default true */
  readonly streamsTransactions: boolean
  /** Folder of the spool; null: one of the user's own in the system's folder for temporary files. @default null */
  readonly spoolFolder: string | null
  /** Bytes of the transactions in progress on disk. @default 16 GiB */
  readonly spoolBytesMax: number
  /** How often the lane's backfills are looked at while none goes on. @default 1,000 */
  readonly backfillPollMs: number
  /** How long a statement of a backfill may run in the source. @default 60,000 */
  readonly backfillStatementMs: number
  /** Keys of a backfill's table that are kept until queries see their changes. @default 16 MiB */
  readonly backfillKeysBytesMax: number
}

export const READER_LIMITS: ReaderLimits = {
  batchEventsMax: 5_000,
  batchBytesMax: 4 * 1024 * 1024,
  chunkRowsMax: 5_000,
  chunkBytesMax: 4 * 1024 * 1024,
  loadReaders: 2,
  feedbackIntervalMs: 1_000,
  keepaliveIntervalMs: 1_000,
  heartbeatIntervalMs: 10_000,
  silenceMs: 90_000,
  slotCreationMs: 60_000,
  stragglersMax: 1_000_000,
  streamsTransactions: true,
  spoolFolder: null,
  spoolBytesMax: 16 * 1024 ** 3,
  backfillPollMs: 1_000,
  backfillStatementMs: 60_000,
  backfillKeysBytesMax: 16 * 1024 * 1024,
}
