/** `sluice events` and `sluice trace` */
import type { Command } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { wholeNumber } from './option-values.ts'

export function addEvents(program: Command, leaf: AddLeaf): void {
  const events = program
    .command('events')
    .description('Lists stored events.')
    .option('--lane <name>', 'lane; all without it')
    .option('--aggregate <id>', "an aggregate's id, key or type, or type/id")
    .option('--type <type>', 'event type')
    .option('--correlation <id>', 'correlation id')
    .option('--after <position>', 'the first events after this position of a lane; without it the newest', wholeNumber)
    .option('--limit <n>', 'how many at most', wholeNumber, 50)
  leaf(events, { load: async () => (await import('../commands/events.ts')).events })
  addHelp(events, {
    examples: ['sluice events --type OpportunityUpdated', 'sluice events --lane monolith --after 1000 --limit 10'],
    exits: DATA_EXITS,
  })

  const trace = program
    .command('trace <correlation-id>')
    .description('Shows everything that one correlation caused, over all services, with the time at each stage.')
  leaf(trace, { load: async () => (await import('../commands/trace.ts')).trace })
  addHelp(trace, { examples: ['sluice trace checkout-4711'], exits: VERDICT_EXITS })
}
