/** How far reader and relay are in one lane, as the pipeline database says. */
import { BEFORE_FIRST, type PositionNumber, SluiceError } from '@sluice/core'
import { type PostgresTarget, sqlStateOf, toPostgresError } from '@sluice/postgres'
import { type LaneRecord, getLane, relayProgress } from '@sluice/store'
import type { ClientBase } from 'pg'

export interface LaneProgress {
  readonly record: LaneRecord
  /** A copy of what the control topic says; may be a moment behind it. */
  readonly published: PositionNumber
}

/** @throws SluiceError SLU-3001, SLU-3002 if the lane has not begun. */
export async function laneProgress(
  client: ClientBase,
  pipeline: PostgresTarget,
  system: string,
  name: string,
): Promise<LaneProgress> {
  try {
    const record = await getLane(client, system, name)
    const relay = await relayProgress(client, record.lane)
    return { record, published: relay?.position ?? BEFORE_FIRST }
  } catch (error) {
    if (sqlStateOf(error) !== '42P01') throw toPostgresError(error, pipeline)
    throw new SluiceError('STORE_NOT_PROVISIONED', {
      what: 'the pipeline database is not prepared',
      why: `${pipeline.display} lacks Sluice's tables`,
      ways: ['sluice provision'],
    })
  }
}
