/** What a command is given and what it gives back; the same for every command, so that output and exit codes are too. */
import type { SluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import type { Progress } from './progress.ts'

export interface GlobalOptions {
  /** Name or path of the system definition. */
  readonly system: string | undefined
  /** True: the JSON envelope alone on stdout. */
  readonly json: boolean
  readonly debug: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
}

export interface CommandContext {
  readonly globals: GlobalOptions
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** Loads the system definition. @throws SluiceError SLU-1002, SLU-1004, SLU-1005 */
  readonly system: () => Promise<SystemDefinition>
  /** Progress lines on stderr. */
  readonly progress: Progress
  /** One line of talk on stderr. */
  readonly say: (line: string) => void
}

export interface CommandInput {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
}

export interface CommandOutcome {
  /** One sentence: what came out. */
  readonly summary: string
  /** The `result` of the JSON envelope. */
  readonly result: unknown
  /** What people read on stdout. */
  readonly text: string
  /** Set where the verdict is no: the command did its work, and its exit code comes from here. */
  readonly verdict?: SluiceError
  readonly nextSteps?: readonly string[]
  /**
   * What goes on after the outcome was printed, until the first signal; that is its normal end, and the exit code stays what
   * the outcome says.
   */
  readonly afterwards?: () => Promise<void>
}

export type CommandImplementation = (context: CommandContext, input: CommandInput) => Promise<CommandOutcome>
