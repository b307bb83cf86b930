/** An erasure has no way back, so it has to have a way on: killed anywhere it is ended by the same command, and no projector undoes it. */
import { type ErasureReport, type SealedContent, SealedReader, eraseSubject } from '@sluice/privacy'
import type { ClientBase } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { ERASED, contactOf } from './granted-values.ts'
import { HeldLock } from './held-lock.ts'
import { type Person, insertWithVisit, person, secretsOf } from './planted-people.ts'
import { plantedInDatabase } from './planted-values.ts'
import { MASTER_KEYS, PrivatePipeline } from './private-pipeline.ts'

const STAYS = person('stays', 1)
const BYSTANDER = person('bystander', 2)
const RACER = person('racer', 3)
/** Of the one who is erased in the first test; the next ones follow. */
const FIRST_ACCOUNT = 10

/** What an erasure has done so far. */
interface Progress {
  readonly isKeyDestroyed: boolean
  /** Databases that remember it. */
  readonly remembered: readonly ('crm' | 'mail' | 'monolith')[]
  /** A line each command, the oldest first: whether it is finished. */
  readonly journal: readonly boolean[]
}

/** A place between two durable steps. */
interface Moment {
  readonly when: string
  readonly place: 'monolith' | 'pipeline' | 'crm' | 'mail'
  /** What the next step waits for. */
  readonly lock: string
  /** The step was with the server already, which does it although nobody is left who asked. */
  readonly isStepDone?: true
  readonly left: Progress
}

const MOMENTS: readonly Moment[] = [
  {
    when: 'while its key is destroyed',
    place: 'pipeline',
    lock: 'SELECT FROM subject_keys FOR UPDATE',
    left: { isKeyDestroyed: false, remembered: [], journal: [] },
  },
  {
    when: 'while the first service is erased',
    place: 'crm',
    // The last of its tables: the others are overwritten by then.
    lock: 'SELECT FROM greetings FOR UPDATE',
    left: { isKeyDestroyed: true, remembered: [], journal: [false] },
  },
  {
    when: 'while the next service is erased',
    place: 'mail',
    lock: 'LOCK TABLE erased_subjects IN ACCESS SHARE MODE',
    left: { isKeyDestroyed: true, remembered: ['crm'], journal: [false] },
  },
  {
    when: 'while the source takes it down',
    place: 'monolith',
    lock: 'LOCK TABLE sluice.erased_subjects IN SHARE MODE',
    left: { isKeyDestroyed: true, remembered: ['crm', 'mail'], journal: [false] },
  },
  {
    when: 'before it is recorded as finished',
    place: 'pipeline',
    lock: 'SELECT pg_advisory_xact_lock(1)',
    left: { isKeyDestroyed: true, remembered: ['crm', 'mail', 'monolith'], journal: [false] },
  },
  {
    when: 'before it can say that it is finished',
    place: 'pipeline',
    lock: 'SELECT pg_advisory_xact_lock(1)',
    isStepDone: true,
    left: { isKeyDestroyed: true, remembered: ['crm', 'mail', 'monolith'], journal: [true] },
  },
]

const GONE = MOMENTS.map((_, i) => person(`gone-${i}`, FIRST_ACCOUNT + i))

/** Its trigger waits for the lock that a test takes. */
const HOLD = `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$`

let pipeline: PrivatePipeline

/** Everybody is in the services, and no engine runs. */
beforeAll(async () => {
  pipeline = await PrivatePipeline.open('privacy_interrupted')
  for (const someone of [STAYS, BYSTANDER, ...GONE]) await insertWithVisit(pipeline.clients.monolith, someone)
  const engines = pipeline.start()
  await pipeline.caughtUp()
  await engines.stop()
  // The source's table is made with the first erasure.
  await erase(BYSTANDER)
  // The last step needs nothing that could be locked before the first one has written it.
  await pipeline.clients.pipeline.query(
    `${HOLD}; CREATE TRIGGER held BEFORE UPDATE ON subject_erasures FOR EACH ROW EXECUTE FUNCTION hold()`,
  )
})

afterAll(() => pipeline[Symbol.asyncDispose]())

test.each(MOMENTS.map((moment, i) => ({ ...moment, gone: GONE[i]! })))(
  'an erasure that is killed $when is ended by the same command',
  async ({ gone, place, lock, isStepDone, left }) => {
    const subject = String(gone.account)
    const args = ['erase', subject, '--confirm', subject]
    const { subjectId } = await erase(gone, true)
    expect(await openedName(gone)).toEqual({ kind: 'clear', text: gone.name })
    {
      await using held = await HeldLock.take(pipeline.targets[place], lock)
      const command = new SluiceProcess(args, pipeline.environment)
      const session = await held.killWaiting(command)
      await (isStepDone ? held.letGoAndAwaitEnd(session) : held.endAndLetGo(session))
    }
    expect(await progressOf(subjectId)).toEqual(left)
    expect(await contactOf(pipeline, gone.account)).toEqual(left.remembered.includes('crm') ? ERASED : clearOf(gone))

    const again = await runSluice(args, pipeline.environment)
    expect(again).toMatchObject({ code: 0 })
    expect(await progressOf(subjectId)).toEqual({
      isKeyDestroyed: true,
      remembered: ['crm', 'mail', 'monolith'],
      journal: [...left.journal, true],
    })
    expect(await contactOf(pipeline, gone.account)).toEqual(ERASED)
    expect(await plantedInDatabase(pipeline.clients.crm, secretsOf(gone))).toEqual([])
    // What lies sealed opens no more, and nobody else was touched.
    expect(await openedName(gone)).toEqual({ kind: 'erased' })
    expect(await openedName(STAYS)).toEqual({ kind: 'clear', text: STAYS.name })
    expect(await contactOf(pipeline, STAYS.account)).toEqual(clearOf(STAYS))
  },
)

test('a value that a projector opened before the erasure, and writes after it began, ends as the placeholder', async () => {
  const { crm } = pipeline.clients
  // The projector stands in its transaction with everything opened, and nothing of it is written.
  await crm.query(`${HOLD}; CREATE TRIGGER held BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION hold()`)
  await using opened = await HeldLock.take(pipeline.targets.crm, 'SELECT pg_advisory_xact_lock(1)')
  await insertWithVisit(pipeline.clients.monolith, RACER)
  const engines = pipeline.start()
  const projector = await opened.waiting()
  const erasure = erase(RACER)
  // It has to wait for that transaction; one that does not is done by now.
  await Promise.race([erasure, opened.waiting(projector)])
  await opened.letGo()
  expect(await erasure).toMatchObject({ key: 'destroyed' })
  await pipeline.caughtUp()
  expect(await contactOf(pipeline, RACER.account)).toEqual(ERASED)
  expect(await plantedInDatabase(crm, secretsOf(RACER))).toEqual([])
  await engines.stop()
})

function clearOf({ name }: Person): unknown {
  return { full_name: name, born: '1911-03-17', salary: '98765.43', remark: 'PLANTED-remark', line: name }
}

async function erase({ account }: Person, isDryRun = false): Promise<ErasureReport> {
  const { monolith, pipeline: store, crm, mail } = pipeline.targets
  return eraseSubject(
    { system: pipeline.shop.system, monolith, pipeline: store, services: { crm, mail }, master: MASTER_KEYS },
    { kind: 'person', subject: String(account), requestedBy: 'test', isDryRun },
  )
}

async function progressOf(subjectId: string): Promise<Progress> {
  const { pipeline: store, monolith, crm, mail } = pipeline.clients
  const key = await store.query('SELECT FROM subject_keys WHERE subject_id = $1 AND wrapped_key IS NULL', [subjectId])
  const journal = await store.query<{ finished: boolean }>(
    'SELECT finished_at IS NOT NULL AS finished FROM subject_erasures WHERE subject_id = $1 ORDER BY id',
    [subjectId],
  )
  const isIn = async (client: ClientBase, table: string): Promise<boolean> =>
    (await client.query(`SELECT FROM ${table} WHERE subject_id = $1`, [subjectId])).rowCount === 1
  const remembered = {
    crm: await isIn(crm, 'erased_subjects'),
    mail: await isIn(mail, 'erased_subjects'),
    monolith: await isIn(monolith, 'sluice.erased_subjects'),
  }
  return {
    isKeyDestroyed: key.rowCount === 1,
    remembered: (['crm', 'mail', 'monolith'] as const).filter((place) => remembered[place]),
    journal: journal.rows.map(({ finished }) => finished),
  }
}

/** Opens, with every key that there is, what a service without a grant holds. */
async function openedName({ account }: Person): Promise<SealedContent> {
  const { rows } = await pipeline.clients.mail.query<{ text: string }>(
    'SELECT full_name AS text FROM people WHERE account = $1',
    [account],
  )
  const reader = await SealedReader.open(pipeline.shop.system, pipeline.targets.pipeline, MASTER_KEYS)
  try {
    return (await reader.read([{ text: rows[0]!.text, place: 'public.people.full_name' }]))[0]!
  } finally {
    await reader.close()
  }
}
