/**
 * Takes the largest values out of an event whose message is too large for its topic: they go to the pipeline database, and the message
 * carries claims for them (decision 0018).
 */
import type { EventEncoder } from '@sluice/avro'
import {
  CLAIMED_ROWS,
  type Claim,
  type ClaimedRow,
  type EventData,
  type RowText,
  type StoredEvent,
  claimIdOf,
  claimOf,
  formatEventData,
  parseEventData,
} from '@sluice/core'
import type { ClaimedValue } from '@sluice/store'
import type { CapturedTable } from '@sluice/system'

export interface CheckedEvent {
  readonly value: Buffer
  /** To be stored before the message is sent. */
  readonly claimed: readonly ClaimedValue[]
}

/** A smaller value is left where it is: its claim would be nearly as large. */
const CLAIM_BYTES_MIN = 512
const NO_HASH = '0'.repeat(64)

interface Candidate {
  readonly row: ClaimedRow
  readonly column: string
  readonly text: string
  /** In the message. */
  readonly bytes: number
}

/**
 * Encodes an event so that it takes at most `bytesMax`; nothing is taken out of one that fits.
 *
 * @param encode Of the topic.
 * @returns null if it is too large without its values too
 */
export function checkValues(
  event: StoredEvent,
  table: CapturedTable,
  encode: EventEncoder,
  bytesMax: number,
): CheckedEvent | null {
  const data = parseEventData(event.eventData)
  const candidates = candidatesOf(table, data)
  let bytes = encode(without(event, data, candidates), candidates.map(placeholder)).length
  if (bytes > bytesMax) return null
  // From the smallest on values are left in, as long as they fit; the rest, the largest, are taken out.
  let kept = 0
  while (kept < candidates.length && bytes + candidates[kept]!.bytes <= bytesMax) bytes += candidates[kept++]!.bytes
  const taken = candidates.slice(kept)
  const claimed = taken.map(({ row, column, text }) => ({ claim: claimOf(event.eventId, row, column, text), text }))
  const claims = claimed.map(({ claim }) => claim)
  return { value: encode(taken.length === 0 ? event : without(event, data, taken), claims), claimed }

  function placeholder({ row, column, bytes }: Candidate): Claim {
    return { claimId: claimIdOf(event.eventId, row, column), row, column, bytes: bytes * 2, sha256: NO_HASH }
  }
}

/** Large values of the event, the smallest first. What names the row stays in the message, and so does what has a form of its own there. */
function candidatesOf(table: CapturedTable, data: EventData): readonly Candidate[] {
  const columns = table.columnNames.filter((column) => !table.key.includes(column))
  return CLAIMED_ROWS.flatMap((row) =>
    columns.flatMap((column): Candidate[] => {
      const text = imageOf(data, row)?.[column]
      const form = table.columns[column]?.avro.form
      if (typeof text !== 'string' || (form !== 'text' && form !== 'bytes')) return []
      // Hexadecimal digits in the store, bytes in the message.
      const bytes = form === 'bytes' ? text.length / 2 : Buffer.byteLength(text)
      return bytes < CLAIM_BYTES_MIN ? [] : [{ row, column, text, bytes }]
    }),
  ).sort((a, b) => a.bytes - b.bytes)
}

function imageOf(data: EventData, row: ClaimedRow): RowText | undefined {
  if (row === 'before') return 'before' in data ? data.before : undefined
  return 'after' in data ? data.after : undefined
}

/** The event as it is stored, but without some values. */
function without(event: StoredEvent, data: EventData, taken: readonly Candidate[]): StoredEvent {
  const names = new Set(taken.map(({ row, column }) => `${row}.${column}`))
  const kept = (row: ClaimedRow, of: RowText): RowText =>
    Object.fromEntries(Object.entries(of).filter(([column]) => !names.has(`${row}.${column}`)))
  switch (data.op) {
    case 'c':
    case 'r':
      return { ...event, eventData: formatEventData({ ...data, after: kept('after', data.after) }) }
    case 'u': {
      const before = data.before && { before: kept('before', data.before) }
      return { ...event, eventData: formatEventData({ ...data, ...before, after: kept('after', data.after) }) }
    }
    case 'd':
      return { ...event, eventData: formatEventData({ ...data, before: kept('before', data.before) }) }
    case 't':
    case 'e':
      return event
  }
}
