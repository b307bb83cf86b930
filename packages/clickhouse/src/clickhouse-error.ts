/**
 * What a fault of ClickHouse means: may it pass, or is it refused. Its message may hold values of a row, so only its number and name are kept.
 *
 * https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
 */
import { ClickHouseError } from '@clickhouse/client'
import { SluiceError, certificateFault, isSluiceError } from '@sluice/core'
import type { ClickhouseTarget } from './clickhouse-target.ts'

/** Load, memory, disk, replicas, Keeper, parts that wait to be merged, an insert of which nobody knows how it ended. */
const TRANSIENT = new Set([
  '159',
  '160',
  '202',
  '209',
  '210',
  '225',
  '236',
  '241',
  '242',
  '243',
  '252',
  '279',
  '285',
  '319',
  '394',
  '999',
])
const ACCESS = new Set(['192', '193', '194', '497', '516'])
const UNKNOWN_DATABASE = '81'
/** A constraint of the table refuses a row. */
const VIOLATED_CONSTRAINT = '469'

export function isUnknownDatabase(error: unknown): boolean {
  return error instanceof ClickHouseError && error.code === UNKNOWN_DATABASE
}

export function isRowFault(error: unknown): boolean {
  return error instanceof ClickHouseError && error.code === VIOLATED_CONSTRAINT
}

/** An error of ClickHouse is no cause of the answer, which is logged with its causes. @param doing What was asked for: `insert into opportunity_events`. */
export function toSinkError(error: unknown, target: ClickhouseTarget, doing: string): SluiceError {
  if (isSluiceError(error)) return error
  const where = `${target.display}: ${doing}`
  if (!(error instanceof ClickHouseError) || TRANSIENT.has(error.code)) {
    const why = error instanceof ClickHouseError ? nameOf(error) : connectionText(error)
    return new SluiceError('SINK_UNREACHABLE', {
      what: `a sink does not do what it is asked for, ${where}`,
      why,
      ways: certificateFault(error)
        ? ['export SLUICE_<SERVICE>_CLICKHOUSE_CA_FILE=/path/to/ca.pem    the file of the authority that signed it']
        : [`curl ${target.url}/ping    then start the server; nothing was lost, the same is tried again`],
      ...(error instanceof ClickHouseError ? {} : { cause: error }),
    })
  }
  const ways = ACCESS.has(error.code)
    ? [`the user of the sink's URL needs: GRANT SELECT, INSERT, CREATE TABLE ON ${target.database}.* TO ${target.username}`]
    : ['sluice provision    makes tables that are missing', "SHOW CREATE TABLE    and compare it with the service's file"]
  return new SluiceError('SINK_REFUSED', { what: `a sink refuses, ${where}`, why: nameOf(error), ways })
}

function nameOf({ code, type }: ClickHouseError): string {
  return `ClickHouse answers with code ${code}${type === undefined ? '' : `, ${type}`}`
}

function connectionText(error: unknown): string {
  const certificate = certificateFault(error)
  if (certificate) return certificate.why
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
  if (code !== null) return `the connection failed: ${code}`
  return error instanceof Error && /timeout/i.test(error.message) ? 'it did not answer in time' : 'the connection broke'
}
