/**
 * The slot is dropped while its reader is away and the monolith goes on: the reader must stop with the way out, and the way out
 * must work: a new load into an empty pipeline, under the same workload.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { runSluice } from '../../../harness/sluice-process.ts'
import { emptyPipeline } from '../empty-pipeline.ts'
import { markProgress } from '../progress-mark.ts'
import { LANE, type Stage } from '../stage.ts'
import type { Struck } from '../strike.ts'

const AWAY_MS = 500
const EXIT_ENVIRONMENT = 3
const REFUSAL_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000

/** @returns also how many rows the monolith committed that only the slot held */
export async function dropSlot(stage: Stage): Promise<Struck & { readonly rows: number }> {
  const rowsBefore = stage.work.rows
  await stage.processes.kill('reader')
  const mark = await markProgress(stage)
  await delay(AWAY_MS)
  await drop(stage)
  const rows = stage.work.rows - rowsBefore
  await expectRefusal(stage)
  await beginAgain(stage)
  return { mark: { ...mark, stored: 0, applied: 0 }, place: 'reader stopped with SLU-2020; emptied and loaded again', rows }
}

async function drop(stage: Stage): Promise<void> {
  const monolith = await stage.system.client('monolith')
  await stage.until('the slot to be free', async () => {
    const { rowCount } = await monolith.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE database = current_database() AND plugin = 'pgoutput' AND NOT active`,
    )
    return (rowCount ?? 0) > 0
  })
}

/** This lane alone, so that the process ends with its engine. */
async function expectRefusal(stage: Stage): Promise<void> {
  const reader = stage.processes.start('reader', ['run', 'reader', LANE])
  const { code } = await stage.endOf('reader', REFUSAL_LIMIT_MS)
  const isTold = reader.stderr.includes('SLU-2020') && reader.stderr.includes('sluice provision')
  if (code !== EXIT_ENVIRONMENT || !isTold) {
    throw new Error(`without its slot the reader ended with ${code ?? 'a signal'} and said:\n${reader.stderr}`)
  }
}

async function beginAgain(stage: Stage): Promise<void> {
  const { system, processes } = stage
  const others = processes.names.filter((name) => name !== 'reader')
  await Promise.all(
    others.map(async (name) => {
      const stopped = stage.endOf(name, STOP_LIMIT_MS)
      processes.get(name).kill('SIGTERM')
      await stopped
    }),
  )
  await emptyPipeline(system)
  const provision = await runSluice(['provision'], system.env)
  if (provision.code !== 0) throw new Error(`sluice provision ended with ${provision.code ?? 'a signal'}: ${provision.stderr}`)
  await stage.secondSlot.beginAnew()
  for (const name of others) processes.restart(name)
  stage.startReader()
}
