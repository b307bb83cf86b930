/**
 * One round: a pipeline is made and loaded, faults strike it one after the other, and at the end the oracle compares everything.
 *
 *   load (struck) ─▶ streaming (struck) ─▶ [slot dropped, loaded again]      each fault followed by its recovery and the standing checks
 *   ─▶ at rest ─▶ oracle
 *
 * The first thing that does not hold ends the run.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DEFAULT_KAFKA_LIMITS } from '@sluice/kafka'
import pg from 'pg'
import { catchingUp } from '../../harness/caught-up.ts'
import { placesOf } from '../../harness/pipeline-places.ts'
import { askOracle } from '../../oracle/whole-pipeline.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { Round } from './fault-plan.ts'
import type { FaultReport } from './fault-report.ts'
import { eventsInFlight } from './events-in-flight.ts'
import { groupHasMembers } from './group-members.ts'
import { isHeldBack } from './oversize-messages.ts'
import { recovery } from './progress-mark.ts'
import type { Seed } from './seed.ts'
import { LANE, Stage, type StageOptions } from './stage.ts'
import { StandingChecks } from './standing-checks.ts'
import { type LoadStruck, loadInFlight, strikeLoad } from './strikes/load-strikes.ts'
import { dropSlot } from './strikes/slot-dropped.ts'

/** A fault that strikes while nothing is in flight is struck again so often. */
const ATTEMPTS = 8
const REST_LIMIT_MS = 300_000
/** A group has removed a member that sends nothing: its own wait, and time to tell of it. */
const SILENCE_MS = DEFAULT_KAFKA_LIMITS.sessionTimeoutMs + 2_000
/** Once in a round of so many faults, in every fourth round: the slowest service is busy with it for most of a minute. */
const LARGEST_TRANSACTION_ROWS = 100_000
const LONG_ROUND_FAULTS = 11
const LARGEST_EACH_ROUNDS = 4

type KindOf<When extends FaultKind['when']> = Extract<FaultKind, { readonly when: When }>

/** @param number Of the round, from 0 on. @throws Error with what does not hold */
export async function runRound(options: StageOptions, number: number, round: Round, report: FaultReport): Promise<void> {
  await using stage = await Stage.open(options)
  try {
    await strikeRound(stage, number, round, report)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new Error(`${said}\n${await standing(stage)}\n${await sessions(stage)}\n${lastWords(stage)}`, { cause: error })
  }
}

async function strikeRound(stage: Stage, number: number, round: Round, report: FaultReport): Promise<void> {
  stage.work.start()
  const checks = new StandingChecks(stage)
  await strikeBeginning(stage, ofWhen(round, 'load'), checks, report)
  const streaming = ofWhen(round, 'streaming')
  const hasLargest = number % LARGEST_EACH_ROUNDS === 0 && streaming.length >= LONG_ROUND_FAULTS
  const largest = stage.seed.of('largest transaction')
  const largestAt = hasLargest
    ? largest
        .of('place')
        .random()
        .between(0, streaming.length - 1)
    : null
  for (const [i, kind] of streaming.entries()) {
    if (i === largestAt) {
      report.expectsCommitOf(LARGEST_TRANSACTION_ROWS / 2)
      stage.work.largest(LARGEST_TRANSACTION_ROWS, largest)
    }
    await strikeUntilCounted(stage, kind, stage.seed.of(`fault ${i}`), report)
    holds(kind.name, await checks.problems())
  }
  if (ofWhen(round, 'end').length > 0) await strikeEnd(stage, report)
  await askAtRest(stage, report)
}

async function strikeBeginning(
  stage: Stage,
  kinds: readonly KindOf<'load'>[],
  checks: StandingChecks,
  report: FaultReport,
): Promise<void> {
  const struck: { readonly kind: string; readonly load: LoadStruck }[] = []
  for (const { name, point } of kinds) {
    report.strikes(name)
    struck.push({ kind: name, load: await strikeLoad(stage, point) })
    holds(name, await checks.problemsOfData())
  }
  stage.startReader()
  await loaded(stage)
  holds('the load', await checks.problems())
  for (const { kind, load } of struck) {
    const recoveryMs = await stage.orEnd(load.recovered)
    const inFlight = await loadInFlight(stage, load.mark)
    // The load is over: it can not be struck again.
    if (!report.add({ kind, place: '', inFlight, recoveryMs })) throw new Error(`${kind}: nothing was left to load`)
  }
}

async function strikeUntilCounted(
  stage: Stage,
  { name, strike }: KindOf<'streaming'>,
  seed: Seed,
  report: FaultReport,
): Promise<void> {
  report.strikes(name)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const own = seed.of(`attempt ${attempt}`)
    stage.work.anySize(own.of('beside'))
    const { mark, victim = null, place = '', putBack, ...struck } = await stage.orEnd(strike(stage, own))
    const recoveryMs = await recovery(stage, mark).catch((error: unknown) => {
      throw new Error(`${name} (${place}): ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    })
    const inFlight = struck.inFlight ?? (await eventsInFlight(stage, mark, victim))
    if (putBack) await stage.orEnd(Promise.resolve(putBack()))
    if (report.add({ kind: name, place, inFlight, recoveryMs })) return
  }
  throw new Error(`${name}: nothing was in flight ${ATTEMPTS} times`)
}

async function strikeEnd(stage: Stage, report: FaultReport): Promise<void> {
  // What is stored now is emptied with the pipeline: it can not be compared later.
  holds('the faults before the slot is dropped', await storedChanges(stage, report))
  report.addCommit(await largestCommit(stage))
  report.strikes('slot-dropped')
  const { mark, place = '', rows } = await dropSlot(stage)
  const recoveryMs = await recovery(stage, mark)
  await loaded(stage)
  if (!report.add({ kind: 'slot-dropped', place, inFlight: rows, recoveryMs })) {
    throw new Error('slot-dropped: the monolith changed nothing while its reader was away')
  }
}

/** Every table is loaded, and every service has applied what was stored until then. */
async function loaded(stage: Stage): Promise<void> {
  const { system } = stage
  await stage.until('the initial load', async () => {
    const { rows } = await (
      await system.client('pipeline')
    ).query<{ streaming: boolean }>(`SELECT count(*) > 1 AND bool_and(phase = 'streaming') AS streaming FROM lanes`)
    return rows[0]?.streaming
  })
  await recovery(stage, { at: Date.now(), stored: await system.storedPosition(LANE) })
}

async function askAtRest(stage: Stage, report: FaultReport): Promise<void> {
  await stage.orEnd(stage.work.stop())
  await stage.until('everything to arrive', catchingUp(stage.system), REST_LIMIT_MS)
  // While events come, the offsets that it commits keep a member whose heartbeats ended with its clock.
  if (stage.hasClockStepped) await delay(SILENCE_MS)
  for (const service of stage.system.services) await groupHasMembers(stage, service, 1)
  report.addCommit(await largestCommit(stage))
  const answer = await askOracle({ ...placesOf(stage.system), secondSlot: stage.secondSlot, isHeldBack })
  report.addOracle(answer)
  holds('the oracle', answer.problems)
}

/** Events of the largest commit that is stored. */
async function largestCommit({ system }: Stage): Promise<number> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<{ events: number | null }>(
    `SELECT max(last_position - first_position + 1)::integer AS events FROM event_commits WHERE kind = 'commit'`,
  )
  return rows[0]?.events ?? 0
}

/** @returns a line for each change of the monolith that is not stored as it was made */
async function storedChanges({ system, secondSlot }: Stage, report: FaultReport): Promise<readonly string[]> {
  const changes = await secondSlot.compare(await system.client('pipeline'))
  report.addChanges(changes)
  return changes.problems
}

function holds(after: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`after ${after}:\n${problems.join('\n')}`)
}

function ofWhen<When extends FaultKind['when']>(round: Round, when: When): readonly KindOf<When>[] {
  return round.filter((kind): kind is KindOf<When> => kind.when === when)
}

/** Where everything stands when the run ends. */
async function standing({ system, work }: Stage): Promise<string> {
  try {
    const pipeline = await system.client('pipeline')
    const { rows } = await pipeline.query<{ name: string; position: string; published: string | null }>(
      'SELECT l.lane_name AS name, l.position::text, r.position::text AS published FROM lanes l LEFT JOIN relay_progress r USING (lane)',
    )
    const lanes = rows.map(({ name, position, published }) => `${name}: stored ${position}, published ${published ?? 'nothing'}`)
    const applied = system.services.map(async (service) => `${service} ${await system.appliedPosition(service, LANE)}`)
    return `${lanes.join('; ')}; applied: ${(await Promise.all(applied)).join(', ')}; the workload changed ${work.rows} rows`
  } catch (error) {
    return `where everything stands can not be asked: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** What the sessions of Sluice's processes do in each server, and for how long. */
async function sessions({ servers }: Stage): Promise<string> {
  const lines: string[] = []
  for (const name of ['monolith', 'pipeline', 'services'] as const) {
    const client = new pg.Client({ connectionString: servers.running.get(name).url, connectionTimeoutMillis: 5_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ line: string }>(
        `SELECT concat_ws(' ', application_name, state, wait_event_type, wait_event,
           round(extract(epoch FROM clock_timestamp() - state_change)::numeric, 1) || ' s',
           left(regexp_replace(query, '\\s+', ' ', 'g'), 100)) AS line
         FROM pg_stat_activity WHERE application_name LIKE 'sluice %' AND application_name <> 'sluice-test'
           OR wait_event_type = 'Lock' ORDER BY application_name`,
      )
      lines.push(...rows.map(({ line }) => `${name}: ${line}`))
    } catch (error) {
      lines.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  return lines.join('\n')
}

/** The end of what each process said. */
function lastWords(stage: Stage): string {
  return stage.processes
    .said()
    .map(({ name, stderr }) => `--- ${name}\n${stderr.split('\n').slice(-15).join('\n')}`)
    .join('\n')
}
