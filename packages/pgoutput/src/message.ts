/**
 * The messages of pgoutput, protocol version 1, as plain values.
 *
 * Later versions add stream start, stop, commit and abort (2), prepared transactions (3) and parallel streams (4): each is
 * one more member of `PgoutputMessage`, and one more entry in the decoder's table.
 *
 * https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html
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

export type PgoutputMessage =
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
