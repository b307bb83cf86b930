/** A reader in a process of its own, so that a test can kill it. Prints a line a report. */
import { silentLogger, toJson } from '@sluice/core'
import { postgresTarget } from '@sluice/postgres'
import { createReader } from '@sluice/reader'
import { loadLane } from './load-system.ts'

const [sourceUrl, pipelineUrl, laneName, limits] = process.argv.slice(2)
const reader = createReader({
  system: { name: 'shop' },
  lane: loadLane(laneName!),
  source: postgresTarget('monolith', sourceUrl!),
  pipeline: postgresTarget('pipeline', pipelineUrl!),
  logger: silentLogger,
  limits: JSON.parse(limits!) as object,
  onProgress: (progress) => process.stdout.write(`${toJson(progress)}\n`),
})
const stopping = new AbortController()
process.on('SIGTERM', () => {
  stopping.abort()
})
await reader.run(stopping.signal)
