/** The standby status update: what a reader tells PostgreSQL of its progress. */
import type { Lsn } from '@sluice/core'

const FRAME_BYTES = 34
/** 2000-01-01 00:00 UTC, from which PostgreSQL counts. */
const POSTGRES_EPOCH_MS = 946_684_800_000

/**
 * Frame `r`: written, flushed and applied up to `lsn` exactly. Whatever committed before `lsn` is not sent again, so it
 * is never more than the end of the last stored commit. (pg-logical-replication's own `acknowledge` says one byte more.)
 *
 * https://www.postgresql.org/docs/17/protocol-replication.html#PROTOCOL-REPLICATION-STANDBY-STATUS-UPDATE
 *
 * @param asksReply Asks the server for a keepalive at once.
 */
export function statusFrame(lsn: Lsn, nowMs: number, asksReply: boolean): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES)
  frame.write('r', 0, 'latin1')
  frame.writeBigUInt64BE(lsn, 1)
  frame.writeBigUInt64BE(lsn, 9)
  frame.writeBigUInt64BE(lsn, 17)
  frame.writeBigInt64BE(BigInt(nowMs - POSTGRES_EPOCH_MS) * 1000n, 25)
  frame.writeUInt8(asksReply ? 1 : 0, 33)
  return frame
}
