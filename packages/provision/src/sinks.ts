/** Tables that a service has in a sink, each from the file that its definition names. What is there is left as it is. */
import { SluiceError } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import type { ProvisionStep } from './step.ts'

/** @throws SluiceError SLU-5101 to SLU-5103 */
export async function* sinkSteps(
  place: string,
  tables: readonly SinkTable[],
  open: (() => Sink) | null,
  isDryRun: boolean,
): AsyncIterable<ProvisionStep> {
  const [first] = tables
  if (first === undefined) return
  if (open === null) {
    throw new SluiceError('SINK_NOT_PROVISIONED', {
      what: `${place} has tables in ${first.store}, which was not named`,
      why: `nothing says where ${first.name} is to be made`,
      ways: ['sluice provision    with the URL of the sink in the environment'],
    })
  }
  const sink = open()
  try {
    const missing = new Set((await sink.missing()).map((table) => table.name))
    for (const table of tables) {
      const step = { place, what: `${table.store} table ${table.name}`, detail: sink.display }
      if (!missing.has(table.name)) yield { ...step, outcome: 'present' }
      else if (isDryRun) yield { ...step, outcome: 'planned' }
      else {
        await sink.make(table)
        yield { ...step, outcome: 'done' }
      }
    }
    // A table that was there may have another form; a dry run tells that, too, where nothing is missing.
    if (!isDryRun || missing.size === 0) await sink.open()
  } finally {
    await sink.close()
  }
}
