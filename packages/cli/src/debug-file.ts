/** With `--debug` the stack of an error and of its causes goes into a file: frames and names, no row text. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describeError } from '@sluice/telemetry'

/** @returns the file's path. */
export function writeDebugFile(error: unknown): string {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-debug-')), 'error.txt')
  const text = [
    `node ${process.version} on ${process.platform} ${process.arch}`,
    ...chainOf(error).flatMap((cause) => [JSON.stringify(describeError(cause)), ...framesOf(cause), '']),
  ]
  writeFileSync(file, `${text.join('\n')}\n`, { mode: 0o600 })
  return file
}

function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = []
  for (let at = error; at !== undefined && chain.length < 10; at = at instanceof Error ? at.cause : undefined) chain.push(at)
  return chain
}

function framesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.stack === undefined) return []
  return error.stack.split('\n').filter((line) => /^\s+at /.test(line))
}
