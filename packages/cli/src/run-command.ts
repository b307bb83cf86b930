/**
 * Runs one command: loads it, gives it its context, prints what it gave, and returns the exit code. Data goes to stdout,
 * everything else to stderr; under `--json` stdout carries the envelope and nothing else.
 */
import { type JsonEnvelope, type SluiceError, serializeError, toJson, toSluiceError } from '@sluice/core'
import type { CommandContext, CommandImplementation, CommandInput, CommandOutcome, GlobalOptions } from './command.ts'
import { errorText } from './error-text.ts'
import { styleOf } from './glyphs.ts'
import { createProgress } from './progress.ts'
import { exitCodeOf, listenForStopSignals } from './stop-signals.ts'
import { loadNamedSystem } from './system-file.ts'

export interface Streams {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}

export interface CommandRun {
  readonly name: string
  readonly globals: GlobalOptions
  readonly input: CommandInput
  /** Loads the implementation, so that a command pays for its own libraries only. */
  readonly load: () => Promise<CommandImplementation>
  /** True for a command whose clean stop is its normal end: the first signal gives exit code 0. */
  readonly endsBySignal: boolean
}

export async function runCommand(run: CommandRun, streams: Streams): Promise<number> {
  const say = (line: string): void => void streams.stderr.write(`${line}\n`)
  const stop = listenForStopSignals(say)
  const style = styleOf(streams.stderr, process.env)
  const context: CommandContext = {
    globals: run.globals,
    environment: process.env,
    signal: stop.signal,
    // The settings file is read after the command line.
    system: () => loadNamedSystem(run.globals.system ?? process.env['SLUICE_SYSTEM']),
    progress: createProgress({ stream: streams.stderr, style, now: () => performance.now(), isSilent: false }),
    say,
  }
  let isPrinted = false
  try {
    const implementation = await run.load()
    const outcome = await implementation(context, run.input)
    const received = stop.received()
    printOutcome(run, outcome, streams)
    isPrinted = true
    await outcome.afterwards?.()
    if (outcome.verdict) return outcome.verdict.exitCode
    return received === null || run.endsBySignal ? 0 : exitCodeOf(received)
  } catch (error) {
    const received = stop.received()
    if (received !== null && !run.endsBySignal && !isPrinted) return exitCodeOf(received)
    // Of one command there is one envelope: what fails after it is talk.
    return await printFailure(run.name, error, { ...run.globals, json: run.globals.json && !isPrinted }, streams)
  } finally {
    stop.dispose()
  }
}

function printOutcome(run: CommandRun, outcome: CommandOutcome, streams: Streams): void {
  if (run.globals.json) {
    const { verdict } = outcome
    writeEnvelope(
      {
        v: 1,
        command: run.name,
        ok: verdict === undefined,
        summary: outcome.summary,
        result: outcome.result,
        error: verdict ? serializeError(verdict) : null,
        nextSteps: outcome.nextSteps ?? verdict?.ways ?? [],
      },
      streams,
    )
    return
  }
  if (outcome.text !== '') streams.stdout.write(outcome.text.endsWith('\n') ? outcome.text : `${outcome.text}\n`)
  const style = styleOf(streams.stderr, process.env)
  if (outcome.verdict) streams.stderr.write(errorText(outcome.verdict, style))
  else if (outcome.summary !== '') streams.stderr.write(`${style.paint('good', `${style.ok} ${outcome.summary}`)}\n`)
  for (const step of outcome.nextSteps ?? []) streams.stderr.write(`  ${style.paint('dim', 'next')}  ${step}\n`)
}

/** Prints an error in both forms and returns its exit code. */
export async function printFailure(
  command: string,
  error: unknown,
  globals: Pick<GlobalOptions, 'json' | 'debug'>,
  streams: Streams,
): Promise<number> {
  const known: SluiceError = toSluiceError(error)
  if (globals.json) {
    const summary = `${known.number} ${known.what}`
    writeEnvelope(
      { v: 1, command, ok: false, summary, result: null, error: serializeError(known), nextSteps: known.ways },
      streams,
    )
  }
  streams.stderr.write(errorText(known, styleOf(streams.stderr, process.env)))
  if (globals.debug) {
    const { writeDebugFile } = await import('./debug-file.ts')
    streams.stderr.write(`  debug ${writeDebugFile(known)}\n`)
  }
  return known.exitCode
}

function writeEnvelope(envelope: JsonEnvelope, streams: Streams): void {
  streams.stdout.write(`${toJson(envelope)}\n`)
}
