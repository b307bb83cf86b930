/** What a process says of itself on its health port. */
import type { SluiceProcess } from '../../harness/sluice-process.ts'
import type { Stage } from './stage.ts'

/** A queue that is full pauses its socket, and takes what the socket had read by then; a reader's takes a backfill's chunk, of 4 MiB. */
const OVERSHOOT_BYTES = 1024 ** 2
const CHUNK_BYTES = 4 * 1024 ** 2

/**
 * Awaits that no part of the process waits for a server or has failed.
 *
 * @throws Error with the last answer
 */
export async function untilReady(stage: Stage, name: string): Promise<void> {
  await stage.until(`${name} to work in all its parts`, async () => {
    const answer = await asked(stage.processes.get(name), 'readyz')
    if (!/"mode":"(active|standby)"/.test(answer)) throw new Error(answer)
    return true
  })
}

/** @returns a line for each queue that holds more than its bound */
export async function overfullQueues(process: SluiceProcess): Promise<readonly string[]> {
  const metrics = await asked(process, 'metrics')
  const values = new Map(
    [...metrics.matchAll(/^sluice_(\w+)_bytes(\{.*\}) (\d+)$/gm)].map(([, name = '', labels = '', value = '']) => [
      name + labels,
      Number(value),
    ]),
  )
  return [...values].flatMap(([queue, bytes]) => {
    const limit = values.get(queue.replace('{', '_limit{'))
    const overshoot = OVERSHOOT_BYTES + (queue.startsWith('reader_queue') ? CHUNK_BYTES : 0)
    return limit === undefined || bytes <= limit + overshoot ? [] : [`${queue}: ${bytes} bytes, the bound is ${limit}`]
  })
}

async function asked(process: SluiceProcess, path: string): Promise<string> {
  if (process.healthPort === undefined) throw new Error('it has not said its health port')
  const answer = await fetch(`http://127.0.0.1:${process.healthPort}/${path}`)
  return answer.text()
}
