/** A reader in a process of its own, over the tables of the load tests, that is killed in the middle of its work. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type ReaderFixture, TEST_LIMITS } from './reader-fixture.ts'

/** A report of the reader: the first ones that contain a text, counted. */
export interface Moment {
  readonly text: string
  readonly times: number
}

/**
 * Runs a reader until it kills itself: shortly after a report, and no later than the next of these, however slow whoever watches is.
 *
 * @returns when the server has noticed, so that the next reader finds the slot free
 * @throws Error if the reader ended in another way
 */
export async function runKilledReader(source: ReaderFixture, laneName: string, limits: object, at: Moment): Promise<void> {
  const script = fileURLToPath(new URL('reader-process.ts', import.meta.url))
  const { config } = source.sourceTarget
  const url = (target: typeof source.sourceTarget): string =>
    `postgresql://${target.config.user ?? 'postgres'}:${String(target.config.password ?? '')}@${target.config.host ?? config.host ?? ''}:${String(target.config.port)}/${target.database}`
  const setting = JSON.stringify({ limits: { ...TEST_LIMITS, ...limits }, at })
  const child = spawn(process.execPath, [script, url(source.sourceTarget), url(source.pipelineTarget), laneName, setting], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  await once(child, 'close')
  if (child.signalCode !== 'SIGKILL') throw new Error(`the reader ended before ${JSON.stringify(at)}: ${stderr}`)
  await source.slotIsFree()
}
