/** `sluice backfill` */
import type { Command } from 'commander'
import { DATA_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { wholeNumber } from './option-values.ts'

export function addBackfill(program: Command, leaf: AddLeaf): void {
  const backfill = program.command('backfill').description('Reads rows of a table again, while its changes stream on.')
  addHelp(backfill, { examples: ['sluice backfill start orders --dry-run', 'sluice backfill list'], exits: DATA_EXITS })
  const throttled = (command: Command): Command =>
    command
      .option('--max-lag <events>', 'wait while more events than this are not published', wholeNumber)
      .option('--max-sessions <n>', 'wait while more sessions than this are at work in the source', wholeNumber)
      .option('--rate <rows>', 'rows a second at most; 0: as fast as it goes', wholeNumber)

  const start = throttled(
    backfill
      .command('start <table>')
      .description('Asks for a backfill of a table, a range of its keys, or the rows that a condition takes.')
      .option('--lane <name>', 'lane that captures it', 'monolith')
      .option('--from <key>', 'first key; of several columns a JSON array')
      .option('--to <key>', 'last key')
      .option('--where <sql>', 'condition over the columns; other names with their schema')
      .option('--dry-run', 'say how much it is and change nothing', false),
  )
  leaf(start, { load: async () => (await import('../commands/backfill.ts')).backfillStart })
  addHelp(start, {
    examples: ['sluice backfill start orders --dry-run', `sluice backfill start orders --from 1000 --where "status = 'open'"`],
    exits: DATA_EXITS,
  })

  const list = backfill.command('list').description('Shows every backfill: how far it is, how fast, and when it will be done.')
  leaf(list, { load: async () => (await import('../commands/backfill.ts')).backfillList })
  addHelp(list, { examples: ['sluice backfill list', 'sluice backfill list --json'], exits: DATA_EXITS })

  const asks = [
    ['pause', 'Lets a backfill stand after the chunk at hand.', 'backfillPause'],
    ['resume', 'Lets one that is paused or failed go on after its last chunk.', 'backfillResume'],
    ['cancel', 'Ends one after the chunk at hand; what it stored stays.', 'backfillCancel'],
  ] as const
  for (const [verb, description, name] of asks) {
    const command = backfill.command(`${verb} <backfill>`).description(description)
    leaf(command, { load: async () => (await import('../commands/backfill.ts'))[name] })
    addHelp(command, { examples: [`sluice backfill ${verb} 0b0d6e3e`], exits: DATA_EXITS })
  }

  const throttle = throttled(
    backfill.command('throttle <backfill>').description('Changes how much one may take, from its next chunk on.'),
  )
  leaf(throttle, { load: async () => (await import('../commands/backfill.ts')).backfillThrottle })
  addHelp(throttle, { examples: ['sluice backfill throttle 0b0d6e3e --rate 5000'], exits: DATA_EXITS })
}
