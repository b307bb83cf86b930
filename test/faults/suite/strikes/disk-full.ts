/**
 * The spool has no room for a large transaction: the disk refuses to let a file grow (a limit of the process, as a full disk would),
 * or the spool's own bound is reached. The reader says so, keeps trying, and goes on when there is room.
 */
import { execFileSync } from 'node:child_process'
import { markProgress } from '../progress-mark.ts'
import type { Stage } from '../stage.ts'
import type { Strike } from '../strike.ts'

const SPOOLED_ROWS = 20_000
const FILE_BYTES_MAX = 64 * 1024
const SPOOL_BYTES_MAX = 300_000

export const diskFull: Strike = async (stage) => {
  const isLinux = process.platform === 'linux'
  return isLinux && stage.random.chance(0.5) ? fileLimit(stage) : spoolBound(stage)
}

async function fileLimit(stage: Stage): ReturnType<Strike> {
  const { pid } = stage.processes.get('reader')
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${FILE_BYTES_MAX}:unlimited`])
  const mark = await refused(stage)
  execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited'])
  return { mark, place: 'file size limit' }
}

async function spoolBound(stage: Stage): ReturnType<Strike> {
  await stage.processes.killAndRestart('reader', { SLUICE_SPOOL_BYTES_MAX: String(SPOOL_BYTES_MAX) })
  const mark = await refused(stage)
  await stage.processes.killAndRestart('reader')
  return { mark, place: 'spool bound' }
}

/** Until a transaction is large enough, and not undone, and the reader has said that it can not keep it. */
async function refused(stage: Stage): ReturnType<typeof markProgress> {
  const reader = stage.processes.get('reader')
  const saidBefore = reader.stderr.split('SLU-2042').length
  await stage.until('the reader to refuse the transaction', async () => {
    stage.work.large(SPOOLED_ROWS)
    return reader.stderr.split('SLU-2042').length > saidBefore
  })
  return markProgress(stage)
}
