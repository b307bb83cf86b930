/** A reader in a process of its own, which kills itself in the middle of its work. */
import { silentLogger, toJson } from '@sluice/core'
import { postgresTarget } from '@sluice/postgres'
import { type ReaderProgress, createReader } from '@sluice/reader'
import type { Moment } from './killable-reader.ts'
import { loadLane } from './load-system.ts'

/** It goes on for so long at most, so that it dies at any place of its work. */
const GOES_ON_MS = 10

const [sourceUrl, pipelineUrl, laneName, setting] = process.argv.slice(2)
const { limits, at } = JSON.parse(setting!) as { readonly limits: object; readonly at: Moment }
let seen = 0

function dieIfDue(progress: ReaderProgress): void {
  if (!toJson(progress).includes(at.text)) return
  seen += 1
  if (seen === at.times) setTimeout(die, Math.random() * GOES_ON_MS)
  if (seen > at.times) die()
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

await createReader({
  system: { name: 'shop' },
  lane: loadLane(laneName!),
  source: postgresTarget('monolith', sourceUrl!),
  pipeline: postgresTarget('pipeline', pipelineUrl!),
  logger: silentLogger,
  limits,
  onProgress: dieIfDue,
}).run(new AbortController().signal)
