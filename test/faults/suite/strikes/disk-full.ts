/**
 * The spool has no room for a large transaction: the disk refuses to let a file grow (a limit of the process, as a full disk would),
 * or the spool's own bound is reached. The reader says so, keeps trying, and goes on when there is room.
 */
import { execFileSync } from 'node:child_process'
import { hasPassed } from '../../../harness/caught-up.ts'
import { markProgress } from '../progress-mark.ts'
import { LANE, type Stage } from '../stage.ts'
import type { Seed } from '../seed.ts'
import type { Strike } from '../strike.ts'

const SPOOLED_ROWS = 20_000
const FILE_BYTES_MAX = 64 * 1024
const SPOOL_BYTES_MAX = 300_000

export const diskFull: Strike = async (stage, seed) => {
  const isLinux = process.platform === 'linux'
  return isLinux && seed.random().chance(0.5) ? fileLimit(stage, seed) : spoolBound(stage, seed)
}

async function fileLimit(stage: Stage, seed: Seed): ReturnType<Strike> {
  const { pid } = stage.processes.get('reader')
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${FILE_BYTES_MAX}:unlimited`])
  const mark = await refused(stage, seed)
  execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited'])
  return { mark, place: 'file size limit' }
}

async function spoolBound(stage: Stage, seed: Seed): ReturnType<Strike> {
  await stage.processes.killAndRestart('reader', { SLUICE_SPOOL_BYTES_MAX: String(SPOOL_BYTES_MAX) })
  const mark = await refused(stage, seed)
  await stage.processes.killAndRestart('reader')
  return { mark, place: 'spool bound' }
}

/** One transaction after the other, until the reader has said that it can not keep one: one that is undone has room. */
async function refused(stage: Stage, seed: Seed): ReturnType<typeof markProgress> {
  const reader = stage.processes.get('reader')
  const saidBefore = reader.stderr.split('SLU-2042').length
  const isRefused = (): boolean => reader.stderr.split('SLU-2042').length > saidBefore
  for (let number = 1; !isRefused(); number += 1) {
    await stage.orEnd(stage.work.wholeLarge(SPOOLED_ROWS, seed.of(`transaction ${number}`)))
    const end = await walEnd(stage)
    await stage.until(
      'the reader to refuse the transaction, or to pass it',
      async () => isRefused() || hasPassed(stage.system, LANE, end),
    )
  }
  return markProgress(stage)
}

async function walEnd(stage: Stage): Promise<string> {
  const monolith = await stage.system.client('monolith')
  const { rows } = await monolith.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  return rows[0]!.lsn
}
