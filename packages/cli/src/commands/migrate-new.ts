/** `sluice migrate new` */
import { SluiceError } from '@sluice/core'
import {
  type DraftSource,
  type DraftTrial,
  type MigrationDraft,
  draftMigration,
  migrationText,
  nextMigrationName,
  writeMigration,
} from '@sluice/migrate'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandOutcome } from '../command.ts'
import { readDatabase, requireService } from '../deployment.ts'
import { differenceLines } from './migrate-drift.ts'
import { serviceDatabases } from './migrate.ts'

const Options = z.object({ diff: z.boolean(), to: z.string().optional(), dryRun: z.boolean() })

export const migrateNew: CommandImplementation = async (context, input) => {
  const { diff, to, dryRun: isDryRun } = Options.parse(input.options)
  const system = await context.system()
  const service = requireService(system, input.args[0] ?? '')
  const folder = system.services[service]!.migrations
  const name = await nextMigrationName(folder, input.args[1] ?? '')
  if (!diff && to !== undefined) {
    throw new SluiceError('USAGE', {
      what: '--to says what to draft for',
      why: 'without --diff nothing is drafted',
      ways: [`sluice migrate new ${service} ${input.args[1] ?? ''} --diff --to ${to}`],
    })
  }
  const draft = diff ? await draftOf(context, input.args, to) : null
  if (diff && draft === null) {
    return {
      summary: `nothing differs: no migration was made`,
      result: { service, name: null, path: null, draft: null },
      text: '',
    }
  }
  const text = draft?.text ?? migrationText('', '')
  const path = isDryRun ? null : await writeMigration(folder, name, text)
  return {
    summary: path === null ? `nothing was changed: ${name} would be written` : `${path} is written`,
    result: { service, name, path, dryRun: isDryRun, draft },
    text: isDryRun ? text : (path ?? ''),
    ...partial(service, name, draft),
    nextSteps: path === null ? [] : [`read ${path}, then: sluice migrate up ${service}`],
  }
}

async function draftOf(context: CommandContext, args: readonly string[], to: string | undefined): Promise<MigrationDraft | null> {
  const [database] = await serviceDatabases(context, { args: args.slice(0, 1), options: {} })
  const phase = context.progress.phase('comparing structures')
  const draft = await draftMigration(database!, sourceOf(context, to))
  phase.done(draft === null ? 'nothing differs' : `${draft.differences.length} things differ`)
  return draft
}

/** A URL holds a password, so a database is named by its variable. */
function sourceOf({ environment }: CommandContext, to: string | undefined): DraftSource {
  if (to === undefined) return { kind: 'live' }
  const variable = /^SLUICE_([A-Z0-9_]+)_URL$/.exec(to)
  return variable
    ? { kind: 'database', target: readDatabase(environment, variable[1]!.toLowerCase()) }
    : { kind: 'file', path: to }
}

function partial(service: string, name: string, draft: MigrationDraft | null): Pick<CommandOutcome, 'verdict'> {
  if (draft === null) return {}
  const lines = [
    ...trialLines('up', draft.up),
    ...trialLines('down', draft.down),
    ...draft.byHand.map((text) => `by hand: ${text}`),
  ]
  if (lines.length === 0) return {}
  return {
    verdict: new SluiceError('MIGRATION_DRAFT_PARTIAL', {
      what: `the draft ${name} of ${service} was tried, and is not whole`,
      why: lines.join('\n'),
      ways: ['complete the file by hand, then: sluice migrate up --dry-run'],
    }),
  }
}

function trialLines(section: string, { failure, left }: DraftTrial): readonly string[] {
  if (failure !== null) return [`${section} failed: ${failure}`]
  return left.flatMap((difference) => differenceLines(difference).map((line) => `after ${section}: ${line}`))
}
