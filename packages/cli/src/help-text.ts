/** What every `--help` ends with: examples and the exit codes that the command can have. */
import type { Command } from 'commander'

const EXIT_MEANING = {
  0: 'done',
  1: 'unexpected fault',
  2: 'usage or configuration',
  3: 'environment: a server, a privilege, a setting of a server',
  4: 'the verdict is no: different, partial, not healthy',
  5: 'refused until confirmed',
  130: 'ended by SIGINT (143: by SIGTERM)',
} as const

/** Of a command that gives data, and of one that gives a verdict. */
export const DATA_EXITS = [0, 1, 2, 3, 130] as const
export const VERDICT_EXITS = [0, 1, 2, 3, 4, 130] as const

type ExitCode = keyof typeof EXIT_MEANING

export function addHelp(
  command: Command,
  help: { readonly examples: readonly string[]; readonly exits: readonly ExitCode[] },
): Command {
  const examples = help.examples.map((e) => `  $ ${e}`)
  const exits = help.exits.map((code) => `  ${String(code).padStart(3)}  ${EXIT_MEANING[code]}`)
  return command.addHelpText('after', ['', 'Examples:', ...examples, '', 'Exit codes:', ...exits].join('\n'))
}
