/**
 * Several projector processes of an independent service, on real servers: one is killed under writes, another comes; at the end
 * every row is equal, every event took effect once, and verify holds all of them at one position.
 */
import { expect, test } from 'vitest'
import { fillRows } from '../bench/fill.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const LIMIT_MS = 240_000
const ROWS = 6_000

test('two projectors share the work, one is killed and replaced, and verify finds every row equal while rows change', async () => {
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, new URL('shared-system.ts', import.meta.url))
  const [monolith, service] = [await system.client('monolith'), await system.client('copy')]
  // Everything comes by the stream, so that it can be counted.
  await system.startOnce()
  const processes = system.startAll()
  system.start('second', ['run', 'projector', 'copy'])
  const owners = async (): Promise<number> => {
    const { rows } = await service.query<{ n: number }>('SELECT count(DISTINCT owner)::integer AS n FROM consumed_offsets')
    return rows[0]!.n
  }
  await waitUntil('two members', LIMIT_MS, async () => (await owners()) === 2)

  const filling = fillRows(monolith, 1, ROWS, 50)
  const applied = async (events: number): Promise<boolean> => (await system.appliedPosition('copy', 'monolith')) >= events
  await waitUntil('the first events', LIMIT_MS, () => applied(500))
  processes['projector copy']!.kill('SIGKILL')
  await processes['projector copy']!.exit
  system.start('third', ['run', 'projector', 'copy'])
  await filling
  // These come to every partition after the kill, so that none is left with the member that is gone.
  for (let turn = 0; turn < 20; turn++) await monolith.query('UPDATE rows SET counter = counter + 1 WHERE id % 20 = $1', [turn])
  await monolith.query('DELETE FROM rows WHERE id % 10 = 3')
  const events = ROWS * 2 + ROWS / 10
  await waitUntil('every event', LIMIT_MS, () => applied(events))
  await waitUntil('two members again', LIMIT_MS, async () => (await owners()) === 2)

  const { rows } = await service.query(
    'SELECT count(*)::integer AS met, count(DISTINCT position)::integer AS positions FROM processed_events',
  )
  expect(rows).toEqual([{ met: events, positions: events }])
  const changing = monolith.query('UPDATE rows SET counter = counter + 1 WHERE id % 7 = 0')
  const verify = await runSluice(['verify', '--json'], system.env)
  await changing
  expect({ code: verify.code, stderr: verify.stderr }).toMatchObject({ code: 0 })
  expect(JSON.parse(verify.stdout)).toMatchObject({ result: { services: [{ tables: [{ status: 'equal' }] }] } })
  const status = await runSluice(['status', '--json'], system.env)
  expect(status.stdout).toMatch(/"members":\s*2/)
})
