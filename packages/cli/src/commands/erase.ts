/** `sluice erase <subject>`: exit 5 until the subject was typed again. */
import { userInfo } from 'node:os'
import { SluiceError } from '@sluice/core'
import {
  type ErasurePlaces,
  type ErasureReport,
  applyRecordedErasures,
  eraseSubject,
  missingErasures,
  requireMasterKeys,
} from '@sluice/privacy'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandOutcome } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatCount } from '../table.ts'

const Options = z.object({ kind: z.string(), confirm: z.string().optional(), recorded: z.boolean(), dryRun: z.boolean() })

export const erase: CommandImplementation = async (context, { args, options: given }) => {
  const options = Options.parse(given)
  const [subject] = args
  if (subject === undefined ? !options.recorded : options.recorded) {
    throw new SluiceError('USAGE', {
      what: 'erase takes a subject, or --recorded without one',
      why: subject === undefined ? 'neither was given' : 'both were given',
      ways: ['sluice erase 4711 --dry-run', 'sluice erase --recorded'],
    })
  }
  const places = await placesOf(context)
  const requestedBy = userInfo().username
  const { kind, confirm, dryRun: isDryRun } = options
  if (subject === undefined) return isDryRun ? missingRecorded(places) : applyRecorded(places, requestedBy)
  const called = ['sluice erase', subject, ...(kind === 'person' ? [] : ['--kind', kind])].join(' ')
  if (!isDryRun && confirm !== subject) throw notConfirmed(kind, called, subject, confirm)
  const report = await eraseSubject(places, { kind, subject, requestedBy, isDryRun })
  return {
    summary: `${isDryRun ? 'nothing was changed: ' : ''}${keyText(report, isDryRun)}; ${valuesText(report)}`,
    result: { dryRun: isDryRun, ...report },
    text: report.services
      .flatMap(({ service, columns }) =>
        columns.map(({ column, values }) => `${service}  ${column}  ${formatCount(values)} values`),
      )
      .join('\n'),
    nextSteps: isDryRun ? [`${called} --confirm ${subject}`] : ['sluice verify    counts erased subjects apart'],
  }
}

async function applyRecorded(places: ErasurePlaces, requestedBy: string): Promise<CommandOutcome> {
  const applied = await applyRecordedErasures(places, requestedBy)
  return {
    summary: applied.length === 0 ? 'every database has every erasure' : `${applied.length} databases lacked erasures`,
    result: { dryRun: false, applied },
    text: applied.map(({ place, subjects }) => `${place}  ${formatCount(subjects)} subjects erased again`).join('\n'),
  }
}

async function missingRecorded(places: ErasurePlaces): Promise<CommandOutcome> {
  const missing = await missingErasures(places)
  return {
    summary: `nothing was changed: ${missing.length === 0 ? 'every database has every erasure' : `${missing.length} databases lack erasures`}`,
    result: { dryRun: true, missing },
    text: missing.map(({ place, subjects }) => `${place}  ${formatCount(subjects)} subjects would be erased again`).join('\n'),
    nextSteps: missing.length === 0 ? [] : ['sluice erase --recorded'],
  }
}

async function placesOf({ system: load, environment }: CommandContext): Promise<ErasurePlaces> {
  const system = await load()
  const services = Object.keys(system.services)
  const deployment = readDeployment(environment, system, { monolith: true, pipeline: true, services, masterKeys: true })
  const master = requireMasterKeys(deployment.masterKeys, 'a subject is told by a keyed hash')
  const { monolith, pipeline } = deployment
  return { system, monolith, pipeline, services: deployment.services, master }
}

function keyText({ key }: ErasureReport, isDryRun: boolean): string {
  if (key === 'destroyed before') return 'its key was destroyed before'
  if (key === 'never made') return 'it never had a key, and will get none'
  return isDryRun ? 'its key would be destroyed' : 'its key is destroyed'
}

function valuesText({ services }: ErasureReport): string {
  const values = services.flatMap((s) => s.columns).reduce((sum, column) => sum + column.values, 0)
  return `${formatCount(values)} values of services`
}

function notConfirmed(kind: string, called: string, subject: string, confirm: string | undefined): SluiceError {
  return new SluiceError('CONFIRMATION_NEEDED', {
    what: `erasing a ${kind} can not be undone, by nobody`,
    why: confirm === undefined ? 'the subject was not typed again' : 'what was typed again is another subject',
    ways: [`${called} --dry-run    says what would be erased`, `${called} --confirm ${subject}`],
  })
}
