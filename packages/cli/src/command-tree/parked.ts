/** `sluice parked` */
import { type Command, Option } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { wholeNumber } from './option-values.ts'

export function addParked(program: Command, leaf: AddLeaf): void {
  const parked = program.command('parked').description('Events that a service refused, and those that wait behind them.')
  addHelp(parked, { examples: ['sluice parked list analytics'], exits: DATA_EXITS })
  const ofRelay = (): Option => new Option('--relay', 'of the relay of a lane: name the lane, not a service').default(false)
  const selecting = (command: Command): Command =>
    command
      .option('--key <type/key>', 'events of one aggregate: its type and its id or key')
      .option('--topic <name>', 'events of one topic')
      .option('--error <code>', 'events that were refused with this SQLSTATE or code, or its class: 23, SLU-50')

  const list = selecting(parked.command('list <service>').description('Lists them, and how many wait behind each.'))
    .addOption(ofRelay())
    .option('--waiting', 'list those that wait, too', false)
    .option('--ended', 'instead: how the last ones left the parking lot', false)
    .option('--after <lane:position>', 'the next page')
    .option('--limit <n>', 'how many at most', wholeNumber, 50)
  leaf(list, { load: async () => (await import('../commands/parked.ts')).parkedList })
  addHelp(list, { examples: ['sluice parked list analytics', 'sluice parked list analytics --error 23505'], exits: DATA_EXITS })

  const show = parked
    .command('show <service> <event-id>')
    .description('Shows one of them whole.')
    .addOption(ofRelay())
    .option('--values', 'with the values of its row, in captured form', false)
  leaf(show, { load: async () => (await import('../commands/parked.ts')).parkedShow })
  addHelp(show, { examples: ['sluice parked show analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55'], exits: DATA_EXITS })

  const retry = selecting(
    parked
      .command('retry <service> [event-id]')
      .description('Applies the first of each key again, and then those that wait behind it, in order.'),
  )
    .addOption(ofRelay())
    .option('--all', 'every parked event', false)
    .option('--reason <text>', 'kept with the record')
    .option('--dry-run', 'say what would be tried and change nothing', false)
  leaf(retry, { load: async () => (await import('../commands/parked.ts')).parkedRetry })
  addHelp(retry, {
    examples: ['sluice parked retry analytics --error 23505 --dry-run', 'sluice parked retry analytics --all'],
    exits: VERDICT_EXITS,
  })

  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const edit = parked
    .command('edit <service> <event-id>')
    .description(
      'Changes what this service takes of one of them; a retry applies it. Store and topic keep the event, so the row differs from its source. At a relay nothing is edited: correct the source.',
    )
    .addOption(ofRelay())
    .option('--set <column=value>', "PostgreSQL's text of a column; may be given again", collect)
    .option('--set-json <object>', 'several columns at once')
    .option('--null <column>', 'NULL for a column; may be given again', collect)
    .option('--reason <text>', 'kept with the record; needed')
    .option('--dry-run', 'show the difference and change nothing', false)
  leaf(edit, { load: async () => (await import('../commands/parked-edit.ts')).parkedEdit })
  addHelp(edit, {
    examples: [
      "sluice parked edit analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55 --set 'email=a@example.org' --dry-run",
      "sluice parked edit analytics 0b0d6e3e-7d4c-5f4e-9f0c-2f6f9c1f7a55 --null phone --reason 'no number'",
    ],
    exits: [0, 1, 2, 3, 130],
  })

  const skip = selecting(
    parked.command('skip <service> [event-id]').description('Gives events up for ever; those that wait behind them go on.'),
  )
    .addOption(ofRelay())
    .option('--reason <text>', 'kept with the record; needed')
    .option('--dry-run', 'say what would be given up and change nothing', false)
    .option('--yes', 'do it', false)
  leaf(skip, { load: async () => (await import('../commands/parked.ts')).parkedSkip })
  addHelp(skip, {
    examples: ["sluice parked skip analytics --key Customer/4711 --reason 'test data' --yes"],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })
}
