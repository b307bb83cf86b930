/**
 * Rows that a service refuses for a while. The monolith gives a company another identifier and in the same transaction its own one back; a
 * constraint that the service alone has refuses the first. So that event is parked and the second waits behind it; in any other order
 * than the monolith's the row would differ in the end.
 *
 * The identifier is unique: two values of it are never merged into one write.
 */
import { runSluice } from '../../harness/sluice-process.ts'
import type { Stage } from './stage.ts'

export const REFUSING_SERVICE = 'worker'
const CONSTRAINT = 'refused_by_the_suite'
const CHECK_VIOLATION = '23514'

export type ParkedCommand = 'retry' | 'skip'

export async function refuseRows(stage: Stage): Promise<void> {
  const service = await stage.system.client(REFUSING_SERVICE)
  await service.query(`ALTER TABLE companies ADD CONSTRAINT ${CONSTRAINT} CHECK (uei NOT LIKE '-%') NOT VALID`)
}

export async function takeRows(stage: Stage): Promise<void> {
  const service = await stage.system.client(REFUSING_SERVICE)
  await service.query(`ALTER TABLE companies DROP CONSTRAINT IF EXISTS ${CONSTRAINT}`)
}

export async function writeRefusedRow(stage: Stage): Promise<void> {
  const monolith = await stage.system.client('monolith')
  await monolith.query(
    `DO $$
     DECLARE
       company companies;
     BEGIN
       SELECT * INTO company FROM companies ORDER BY random() LIMIT 1 FOR UPDATE;
       UPDATE companies SET uei = '-' || left(md5(company.id::text), 11) WHERE id = company.id;
       UPDATE companies SET uei = company.uei WHERE id = company.id;
     END $$`,
  )
}

/** Events that are parked for the constraint's sake, and those that wait behind them; no others. */
export async function refusedEvents(stage: Stage): Promise<readonly string[]> {
  const service = await stage.system.client(REFUSING_SERVICE)
  const { rows } = await service.query<{ id: string }>(
    `WITH RECURSIVE refused AS (
       SELECT event_id FROM parked_events WHERE constraint_name = $1
       UNION SELECT p.event_id FROM refused r JOIN parked_events p ON p.waits_for = r.event_id)
     SELECT event_id::text AS id FROM refused ORDER BY event_id`,
    [CONSTRAINT],
  )
  return rows.map(({ id }) => id)
}

/** What a person does about them. @param env of the command */
export function workOnRefused(
  stage: Stage,
  command: ParkedCommand,
  env: Readonly<Record<string, string>> = {},
): ReturnType<typeof runSluice> {
  const confirmed = command === 'skip' ? ['--yes', '--reason', 'a fault suite refused it'] : []
  const args = ['parked', command, REFUSING_SERVICE, '--error', CHECK_VIOLATION, ...confirmed]
  return runSluice(args, { ...stage.system.env, ...env })
}

/** The service takes such rows again, and all that was parked for their sake leaves the lot, each event once. */
export async function endRefusal(stage: Stage, command: ParkedCommand): Promise<void> {
  await takeRows(stage)
  await stage.until('the refused events to leave the parking lot', async () => {
    const { code, stderr } = await workOnRefused(stage, command)
    if (code !== 0) throw new Error(`sluice parked ${command} ended with ${code ?? 'a signal'}: ${stderr}`)
    return (await refusedEvents(stage)).length === 0
  })
  const service = await stage.system.client(REFUSING_SERVICE)
  const { rows } = await service.query<{ id: string; times: string }>(
    'SELECT event_id::text AS id, count(*)::text AS times FROM parked_event_results GROUP BY event_id HAVING count(*) > 1',
  )
  if (rows.length > 0)
    throw new Error(`left the parking lot more than once: ${rows.map((r) => `${r.id} ${r.times} times`).join(', ')}`)
}
