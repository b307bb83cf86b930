/**
 * The messages of pgoutput, protocol versions 1 to 4, as plain values.
 *
 *   version 1   a transaction comes whole, when it committed: `TransactionMessage`
 *   version 2   a large one comes in stretches while it runs, and may be rolled back yet: `StreamMessage`
 *   version 3   prepared transactions: `PreparedMessage`
 *   version 4   a streamed abort may tell its place and time
 *
 * https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
 */

/** Stands for an unchanged TOAST value, which PostgreSQL does not send. */
export const UNCHANGED: unique symbol = Symbol('unchanged TOAST value')

/** One value a column of the relation: PostgreSQL's text, null for NULL, or `UNCHANGED`. */
export type Tuple = readonly (string | null | typeof UNCHANGED)[]

export interface RelationColumn {
  readonly name: string
  /** Part of the replica identity. */
  readonly isIdentity: boolean
  readonly typeOid: number
  /** `atttypmod`: -1 where the type has none. */
  readonly typeModifier: number
}

/** A table as it was when the change was made. A new object whenever PostgreSQL describes the table again. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly replicaIdentity: 'default' | 'nothing' | 'full' | 'index'
  readonly columns: readonly RelationColumn[]
}

/**
 * What the old tuple holds: the identity's columns alone (`key`, all others are null without meaning it), or the whole
 * row (`row`, with replica identity FULL).
 */
export interface OldTuple {
  readonly holds: 'key' | 'row'
  readonly values: Tuple
}

export interface BeginMessage {
  readonly kind: 'begin'
  /** Start of the commit record. */
  readonly commitLsn: bigint
  /** Microseconds since 1970-01-01 UTC. */
  readonly committedAtMicros: bigint
  readonly xid: number
}

export interface CommitMessage {
  readonly kind: 'commit'
  readonly commitLsn: bigint
  /** End of the commit record. */
  readonly endLsn: bigint
  readonly committedAtMicros: bigint
}

export interface OriginMessage {
  readonly kind: 'origin'
  readonly commitLsn: bigint
  readonly name: string
}

export interface RelationMessage {
  readonly kind: 'relation'
  readonly relation: Relation
}

export interface TypeMessage {
  readonly kind: 'type'
  readonly oid: number
  readonly schema: string
  readonly name: string
}

export interface InsertMessage {
  readonly kind: 'insert'
  readonly relation: Relation
  readonly after: Tuple
}

export interface UpdateMessage {
  readonly kind: 'update'
  readonly relation: Relation
  /** Sent if the identity changed, or with replica identity FULL. */
  readonly before: OldTuple | null
  readonly after: Tuple
}

export interface DeleteMessage {
  readonly kind: 'delete'
  readonly relation: Relation
  readonly before: OldTuple
}

export interface TruncateMessage {
  readonly kind: 'truncate'
  readonly relations: readonly Relation[]
  readonly isCascade: boolean
  readonly restartsIdentity: boolean
}

/** `pg_logical_emit_message`. */
export interface LogicalMessage {
  readonly kind: 'message'
  readonly isTransactional: boolean
  readonly lsn: bigint
  readonly prefix: string
  /** A copy, safe to keep. */
  readonly content: Buffer
}

/** A kind that this decoder does not know: from a later PostgreSQL, or an extension of the plugin. */
export interface UnknownMessage {
  readonly kind: 'unknown'
  /** The whole message, its first byte the kind. A copy, safe to keep. */
  readonly bytes: Buffer
}

/** The messages that follow belong to one transaction in progress, up to `stream-stop`. */
export interface StreamStartMessage {
  readonly kind: 'stream-start'
  readonly xid: number
  /** First stretch of the transaction: nothing of it came before. */
  readonly isFirst: boolean
}

export interface StreamStopMessage {
  readonly kind: 'stream-stop'
}

/**
 * A message of a transaction in progress. Its contents are not decoded: they may refer to a relation that is described in a
 * sub-transaction which is rolled back later. Keep the bytes, and give them to `decodeStreamed` once the transaction committed.
 */
export interface StreamedMessage {
  readonly kind: 'streamed'
  /**
   * The sub-transaction that made the change, or the transaction itself. For a logical message it is always the transaction,
   * also where a sub-transaction sent it (`pgoutput_message` of PostgreSQL's pgoutput.c).
   */
  readonly xid: number
  /** Of a logical message; null for all others. */
  readonly prefix: string | null
}

export interface StreamCommitMessage {
  readonly kind: 'stream-commit'
  readonly xid: number
  readonly commitLsn: bigint
  readonly endLsn: bigint
  readonly committedAtMicros: bigint
}

/** A transaction (`subXid` is `xid`) or one of its sub-transactions was rolled back; each nested one has a message of its own. */
export interface StreamAbortMessage {
  readonly kind: 'stream-abort'
  readonly xid: number
  readonly subXid: number
  /** Told with option `streaming 'parallel'` only. */
  readonly abortLsn: bigint | null
  readonly abortedAtMicros: bigint | null
}

interface PreparedTransaction {
  readonly xid: number
  /** The name that PREPARE TRANSACTION gave it. */
  readonly gid: string
  readonly endLsn: bigint
}

/** `stream-prepare` is that of a transaction which came in stretches. */
export interface PrepareMessage extends PreparedTransaction {
  readonly kind: 'begin-prepare' | 'prepare' | 'stream-prepare'
  readonly prepareLsn: bigint
  readonly preparedAtMicros: bigint
}

export interface CommitPreparedMessage extends PreparedTransaction {
  readonly kind: 'commit-prepared'
  readonly commitLsn: bigint
  readonly committedAtMicros: bigint
}

export interface RollbackPreparedMessage extends PreparedTransaction {
  readonly kind: 'rollback-prepared'
  readonly prepareEndLsn: bigint
  readonly preparedAtMicros: bigint
  readonly rolledBackAtMicros: bigint
}

/** What a committed transaction consists of, and what stands between transactions. */
export type TransactionMessage =
  | BeginMessage
  | CommitMessage
  | OriginMessage
  | RelationMessage
  | TypeMessage
  | InsertMessage
  | UpdateMessage
  | DeleteMessage
  | TruncateMessage
  | LogicalMessage
  | UnknownMessage

export type StreamMessage = StreamStartMessage | StreamStopMessage | StreamedMessage | StreamCommitMessage | StreamAbortMessage

/** Sent only where the option `two_phase` was asked for. */
export type PreparedMessage = PrepareMessage | CommitPreparedMessage | RollbackPreparedMessage

export type PgoutputMessage = TransactionMessage | StreamMessage | PreparedMessage
