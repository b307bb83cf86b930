/** `sluice demo` and `sluice dev`: servers to try things on. */
import type { Command } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import { builtInDemos } from '../system-file.ts'
import type { AddLeaf } from './leaf.ts'
import { wholeNumber } from './option-values.ts'

export function addStart(program: Command, leaf: AddLeaf): void {
  const demo = program
    .command('demo')
    .description('Splits a sample monolith on real servers while a workload runs, and proves both sides equal.')
    .option('--rows <n>', 'rows that the monolith begins with, in all', wholeNumber, 60_000)
    .option('--seed <n>', 'seed of the data and the workload', wholeNumber, 1)
    .option('--rate <n>', 'rows that the workload changes a second', wholeNumber, 300)
    .option('--seconds <n>', 'how long the workload goes on after the load has arrived', wholeNumber, 30)
    .option('--report <file>', 'write migration_report.json there, whatever the verdict')
    .option('--dry-run', 'say what would run, and start nothing', false)
    .option('--keep', 'leave everything running', false)
  leaf(demo, { load: async () => (await import('../commands/demo.ts')).demo })
  addHelp(demo, {
    examples: ['sluice demo', 'sluice demo --system medcontracthub --rows 100000 --json', 'sluice demo --keep'],
    exits: VERDICT_EXITS,
  })
  demo.addHelpText('after', () => `\nSystems:\n  ${builtInDemos().join(', ')}; medcontracthub unless --system names another`)

  const dev = program.command('dev').description('Real servers for development: three PostgreSQL, Kafka, a schema registry.')
  addHelp(dev, { examples: ['sluice dev up', 'eval "$(sluice dev env)"'], exits: DATA_EXITS })
  const verbs = [
    ['up', 'Starts the servers and makes the databases of the system; leaves them running.'],
    ['down', 'Stops the servers that `sluice dev up` started and removes their data.'],
    ['status', 'Shows which of them run.'],
    ['env', 'Prints the settings as export lines.'],
  ] as const
  for (const [verb, description] of verbs) {
    const command = dev.command(verb).description(description)
    if (verb === 'down') command.option('--yes', 'do not ask', false)
    leaf(command, { load: async () => (await import('../commands/dev.ts')).devCommands[verb] })
    const examples = verb === 'env' ? ['eval "$(sluice dev env)"'] : [`sluice dev ${verb}`]
    addHelp(command, { examples, exits: verb === 'down' ? [0, 1, 2, 3, 5, 130] : DATA_EXITS })
  }
}
