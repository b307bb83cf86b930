/** Checks of a service's sink: it answers, and has every table of the service in the form of the definition. Nothing is made or written. */
import { type HealthCheck, isSluiceError } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import type { SinkTable, SystemDefinition } from '@sluice/system'
import { failed, faultCheck, ok, skipped, warning } from './finding.ts'

/** Nothing for a service that has no table in a sink. @param open Null where nothing says how to reach it. */
export async function checkSink(
  system: SystemDefinition,
  service: string,
  open: (() => Sink) | null,
): Promise<readonly HealthCheck[]> {
  const tables = system.services[service]?.sinks ?? []
  const [first] = tables
  if (first === undefined) return []
  const prefix = `service.${service}.${first.store}`
  if (open === null) return [skipped(`${prefix}.connection`, 'not looked at: nothing says where it is')]
  const sink = open()
  try {
    const missing = await sink.missing()
    return [ok(`${prefix}.connection`, `connected to ${sink.display}`), await checkTables(prefix, service, tables, missing, sink)]
  } catch (error) {
    return [faultCheck(`${prefix}.connection`, error)]
  } finally {
    await sink.close()
  }
}

async function checkTables(
  prefix: string,
  service: string,
  tables: readonly SinkTable[],
  missing: readonly SinkTable[],
  sink: Sink,
): Promise<HealthCheck> {
  const name = `${prefix}.tables`
  if (missing.length > 0) {
    return warning(name, {
      summary: `tables are missing: ${missing.map((table) => table.name).join(', ')}`,
      fix: [`sluice provision --service ${service}`],
      code: 'SLU-5103',
    })
  }
  try {
    await sink.open()
  } catch (error) {
    if (!isSluiceError(error, 'SINK_NOT_PROVISIONED')) throw error
    return failed(name, { summary: error.what, cause: error.why, fix: error.ways, code: error.number })
  }
  return ok(name, `all ${tables.length} tables are there, with the columns that their definition needs`)
}
