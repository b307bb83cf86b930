/**
 * Where an event stands: its lane and its number in that lane.
 *
 * A lane is one source's slot. It has one writer, which numbers its events in commit order without gaps from 1 on.
 * There is no order between lanes. A position is never an LSN (a place in the WAL) and never an offset (a place in a
 * Kafka partition).
 */
export type LaneId = number & { readonly __brand: 'LaneId' }

/** Number of an event in its lane, from 1 on; 0 stands before the first event. */
export type PositionNumber = bigint & { readonly __brand: 'PositionNumber' }

export const BEFORE_FIRST = 0n as PositionNumber

export function laneId(value: number): LaneId {
  if (!Number.isInteger(value) || value < 1 || value > 32767) throw new RangeError(`not a lane: ${value}`)
  return value as LaneId
}

export function positionNumber(value: bigint | string | number): PositionNumber {
  const number = BigInt(value)
  if (number < 0n) throw new RangeError(`not a position: ${value}`)
  return number as PositionNumber
}
