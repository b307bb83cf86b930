/** `sluice run` */
import { type Command, Option } from 'commander'
import { DATA_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { portNumber } from './option-values.ts'

export function addRun(program: Command, leaf: AddLeaf): void {
  const run = program.command('run').description('Runs a part of the pipeline until it is told to stop.')
  addHelp(run, { examples: ['sluice run all', 'sluice run projector analytics'], exits: DATA_EXITS })
  const parts = [
    [
      'reader',
      '[lane]',
      'Reads sources from their slots into the event store; every lane, or the one named.',
      'sluice run reader',
    ],
    ['relay', '[lane]', 'Publishes stored events to Kafka; of every lane, or the one named.', 'sluice run relay'],
    ['projector', '<service>', 'Applies published events to a service database.', 'sluice run projector analytics'],
    ['all', '', 'Runs every reader, relay and projector of the system in one process.', 'sluice run all'],
  ] as const
  for (const [part, argument, description, example] of parts) {
    const command = run
      .command(`${part} ${argument}`.trim())
      .description(description)
      .addOption(
        new Option('--health-port <port>', 'port of /livez, /readyz, /healthz and /metrics; 0 takes a free one')
          .argParser(portNumber)
          .default(0)
          .env('SLUICE_HEALTH_PORT'),
      )
      .addOption(new Option('--health-host <host>', 'address that it listens on').default('127.0.0.1').env('SLUICE_HEALTH_HOST'))
      .option('--stop-with-stdin', 'stop cleanly when standard input ends', false)
    leaf(command, { load: async () => (await import('../commands/run.ts')).runCommands[part], endsBySignal: true })
    addHelp(command, { examples: [example], exits: DATA_EXITS })
  }
}
