/** From arguments to an exit code. */
import { SluiceError } from '@sluice/core'
import { type Command, CommanderError } from 'commander'
import { armFaultPoint } from './arm-fault-point.ts'
import { packageVersion } from './package-version.ts'
import { buildProgram } from './program.ts'
import { type Streams, printFailure, runCommand } from './run-command.ts'

/** Help is laid out for this width everywhere, so that it can be compared. */
const HELP_WIDTH = 110

export async function runCli(argv: readonly string[], streams: Streams): Promise<number> {
  // A reader that went away (`| head`) is no fault.
  streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  let exitCode = 0
  const program = buildProgram(packageVersion(), async (call) => {
    exitCode = await runCommand(call, streams)
  })
  // Not yet parsed: what commander itself says depends on it.
  const globals = { json: argv.includes('--json'), debug: argv.includes('--debug') }
  const complaints: string[] = []
  layOutHelp(program, streams, (text) => complaints.push(text))
  program.hook('preAction', (root) => applyEnvironment(root))
  try {
    armFaultPoint(process.env)
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    exitCode = await endOfParsing(error, complaints, globals, streams)
  }
  await Promise.all([flushed(streams.stdout), flushed(streams.stderr)])
  return exitCode
}

/** Sends help to stdout and complaints to the error form; for every command of the tree. */
export function layOutHelp(program: Command, streams: Streams, complain: (text: string) => void): void {
  const all = [program]
  for (let command = all.pop(); command; command = all.pop()) {
    command.exitOverride().configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: complain,
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    all.push(...command.commands)
  }
}

async function endOfParsing(
  error: unknown,
  complaints: readonly string[],
  globals: { json: boolean; debug: boolean },
  streams: Streams,
): Promise<number> {
  if (!(error instanceof CommanderError)) return printFailure('sluice', error, globals, streams)
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return 0
  if (error.code === 'commander.help') {
    // A group was called without a command: commander gave its help.
    streams.stderr.write(complaints.join(''))
    return 2
  }
  const usage = new SluiceError('USAGE', {
    what: 'the command line can not be understood',
    why:
      complaints
        .join('')
        .replace(/^error: /, '')
        .trim() || error.message,
    ways: ['sluice --help'],
  })
  return printFailure('sluice', usage, globals, streams)
}

/** `--no-color` and `--settings`, before the command is loaded. */
function applyEnvironment(program: Command): void {
  const { color, settings } = program.opts<{ color: boolean; settings?: string }>()
  if (!color) process.env['NO_COLOR'] = '1'
  if (settings === undefined) return
  try {
    process.loadEnvFile(settings)
  } catch (cause) {
    throw new SluiceError('CONFIG_INVALID', {
      what: `the settings file ${settings} can not be read`,
      why: cause instanceof Error ? cause.message : String(cause),
      ways: ['--settings ./path/to/.env'],
      cause,
    })
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}
