/**
 * The command tree, of which `command-tree/` has the groups: names, arguments, options, help. Implementations are loaded when their
 * command runs, so that `--help` is fast and a command pays for its own libraries only.
 */
import { Command, Help, Option } from 'commander'
import type { CommandImplementation, CommandInput, GlobalOptions } from './command.ts'
import { addBackfill } from './command-tree/backfill.ts'
import { addBackup } from './command-tree/backup.ts'
import { addEvents } from './command-tree/events.ts'
import type { Leaf } from './command-tree/leaf.ts'
import { addHealth, addLook } from './command-tree/look.ts'
import { addMigrate } from './command-tree/migrate.ts'
import { addParked } from './command-tree/parked.ts'
import { addPrivacy } from './command-tree/privacy.ts'
import { addReference } from './command-tree/refer.ts'
import { addRun } from './command-tree/run.ts'
import { addSetUp } from './command-tree/set-up.ts'
import { addStart } from './command-tree/start.ts'
import { addHelp } from './help-text.ts'

/** Runs what was called; `main.ts` gives the real one, tests record. */
export type Dispatch = (call: {
  readonly name: string
  readonly globals: GlobalOptions
  readonly input: CommandInput
  readonly load: () => Promise<CommandImplementation>
  readonly endsBySignal: boolean
}) => Promise<void>

const SETTINGS_HELP = `
Settings:
  Servers are named by the environment: SLUICE_MONOLITH_URL, SLUICE_PIPELINE_URL, SLUICE_<SERVICE>_URL,
  KAFKA_BROKERS, SCHEMA_REGISTRY_URL; each may come from a file, as SLUICE_MONOLITH_URL_FILE.
  For servers to try things on: sluice dev up, then eval "$(sluice dev env)".`

export function buildProgram(version: string, dispatch: Dispatch): Command {
  const program = new Command('sluice')
    .description('Splits a PostgreSQL monolith into one database per service while it is in use.')
    .version(version, '-V, --version', 'print the version')
    .addOption(new Option('-s, --system <name|path>', 'system definition').env('SLUICE_SYSTEM'))
    .option('--json', 'one JSON object on stdout', false)
    .option('--debug', 'write the stack of an error into a file', false)
    .option('--no-color', 'no colour; as NO_COLOR=1')
    .option('--settings <file>', 'read settings from a file; the environment wins')
    .addOption(
      new Option('--log-level <level>', 'log of long-running commands')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .env('SLUICE_LOG_LEVEL'),
    )
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, optionDescription: describeOption })
  addHelp(program, { examples: ['sluice demo', 'sluice --system ./shop/system.ts doctor'], exits: [0, 1, 2, 3, 4, 5, 130] })
  program.addHelpText('after', SETTINGS_HELP)

  const leaf = (command: Command, options: Leaf): Command =>
    command.action(async (...parameters: unknown[]) => {
      await dispatch({
        name: pathOf(command),
        globals: globalsOf(program),
        // An option that a command shares with the one above it, as `backup due --dry-run`, is read by that one.
        input: { args: argumentsOf(parameters), options: command.optsWithGlobals() },
        load: options.load,
        endsBySignal: options.endsBySignal ?? false,
      })
    })

  // Help shows them in this order.
  for (const [title, parts] of GROUPS) {
    program.commandsGroup(title)
    for (const add of parts) add(program, leaf)
  }
  return program
}

const GROUPS = [
  ['Start:', [addStart]],
  ['Migrate:', [addSetUp, addMigrate, addRun, addBackfill, addBackup]],
  ['Look:', [addLook, addPrivacy, addEvents, addParked, addHealth]],
  ['Refer:', [addReference]],
] as const

/** That a switch is off unless it is given needs no saying. */
function describeOption(option: Option): string {
  return new Help().optionDescription(option).replace(/ \(default: false\)$/, '')
}

/** `run projector`, as the envelope names a command. */
function pathOf(command: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at.parent; at = at.parent) names.unshift(at.name())
  return names.join(' ')
}

/** Commander hands an action its arguments, then options and command; an argument left out is undefined. */
function argumentsOf(parameters: readonly unknown[]): readonly string[] {
  return parameters.slice(0, -2).filter((p) => typeof p === 'string')
}

function globalsOf(program: Command): GlobalOptions {
  const { system, json, debug, logLevel } = program.opts<GlobalOptions>()
  return { system, json, debug, logLevel }
}
