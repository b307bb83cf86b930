/**
 * Changes whose messages are larger than the suite lets a relay send: a value of a row goes by a claim, and an application's own event,
 * which has no value to be taken out, is parked with the event of its key behind it until a relay may send more.
 */
import { runSluice } from '../../harness/sluice-process.ts'
import { LANE, type Stage } from './stage.ts'

/** More than the `MESSAGE_BYTES_MAX` of the stage. */
const OVERSIZE_BYTES = 32_000

/** Settings of a relay that may send them whole. */
export const roomyRelay = { SLUICE_MESSAGE_BYTES_MAX: '500000' }

const HELD_BACK = 'FaultNote'

/** Events of these keys may come after later ones of other keys, since the relay was made to park them. */
export function isHeldBack(aggregate: string): boolean {
  return aggregate.startsWith(`${HELD_BACK}/`)
}

/** A description that no message takes. */
export async function writeOversizeValue(stage: Stage): Promise<void> {
  const monolith = await stage.system.client('monolith')
  await monolith.query(
    `UPDATE opportunities SET description = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, $1::integer / 32))
     WHERE id = (SELECT id FROM opportunities ORDER BY random() LIMIT 1)`,
    [OVERSIZE_BYTES],
  )
}

/** Two events of one key, of which only the second is small. */
export async function writeOversizeEvent(stage: Stage): Promise<void> {
  const monolith = await stage.system.client('monolith')
  await monolith.query(
    `WITH note AS (SELECT gen_random_uuid()::text AS id)
     INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload)
     SELECT $1, note.id, 'FaultNoted', jsonb_build_object('text', repeat('x', bytes))
     FROM note, unnest(ARRAY[$2::integer, 1]) WITH ORDINALITY AS sizes (bytes, place) ORDER BY place`,
    [HELD_BACK, OVERSIZE_BYTES],
  )
}

/** Awaits that the relay has parked such an event, and the one behind it. */
export async function oversizeParked(stage: Stage): Promise<void> {
  await stage.until('the relay to park what is too large', async () => (await parkedOf(stage)) > 1)
}

/** Lets the relay send more, and asks it to publish what it parked, until nothing of it is left. */
export async function publishParked(stage: Stage): Promise<void> {
  if ((await parkedOf(stage)) === 0) return
  await stage.processes.killAndRestart('relay', roomyRelay)
  await stage.until('the relay to publish what it had parked', async () => {
    await retryAtRelay(stage)
    return (await parkedOf(stage)) === 0
  })
}

/** Asks a relay that runs. */
export async function retryAtRelay(stage: Stage): Promise<void> {
  const { code, stderr } = await runSluice(['parked', 'retry', LANE, '--all', '--relay'], stage.system.env)
  if (code !== 0) throw new Error(`the relay could not be asked to try again: ${stderr}`)
}

async function parkedOf(stage: Stage): Promise<number> {
  const pipeline = await stage.system.client('pipeline')
  const { rows } = await pipeline.query<{ parked: number }>(
    'SELECT count(*)::integer AS parked FROM relay_parked_events WHERE aggregate_type = $1',
    [HELD_BACK],
  )
  return rows[0]!.parked
}
