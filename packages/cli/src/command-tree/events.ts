/** `sluice events`, `sluice trace` and `sluice aggregate` */
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

  addAggregate(program, leaf)
}

function addAggregate(program: Command, leaf: AddLeaf): void {
  const aggregate = program
    .command('aggregate')
    .description('The state of aggregates, and the snapshots it is quickly made from.')
  addHelp(aggregate, { examples: ['sluice aggregate snapshot', 'sluice aggregate show Opportunity/4711'], exits: DATA_EXITS })

  const snapshot = aggregate
    .command('snapshot')
    .description('Takes an aggregate snapshot of every row that has changed often enough since its last one.')
    .option('--every <versions>', 'versions beyond the last snapshot', wholeNumber, 100)
  leaf(snapshot, { load: async () => (await import('../commands/aggregate.ts')).aggregateSnapshot })
  addHelp(snapshot, { examples: ['sluice aggregate snapshot --every 50'], exits: DATA_EXITS })

  const show = aggregate
    .command('show <type/key>')
    .description('Shows the state of one, made from its newest snapshot and the events after it.')
    .option('--from-first', 'from its first event, without a snapshot', false)
    .option('--values', 'with the values of its row, in captured form', false)
  leaf(show, { load: async () => (await import('../commands/aggregate.ts')).aggregateShow })
  addHelp(show, { examples: ['sluice aggregate show Opportunity/6f1f3e0a-7d4c-5f4e-9f0c-2f6f9c1f7a55'], exits: DATA_EXITS })
}
