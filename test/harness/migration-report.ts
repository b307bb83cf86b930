/** What a report of a migration has against the schema that is shipped with the documentation. */
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

const SCHEMA = new URL('../../docs/reference/migration-report.schema.json', import.meta.url)

/** None: it is of that form. */
export function migrationReportErrors(report: object): unknown {
  const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, allowUnionTypes: true })
  addFormats.default(ajv)
  return ajv.validate(JSON.parse(readFileSync(SCHEMA, 'utf8')) as object, report) ? [] : ajv.errors
}
