/** Whether the server of a service has the extensions that its migrations need. */
import type { HealthCheck } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'

interface ExtensionRow {
  readonly name: string
  readonly is_made: boolean
  readonly is_offered: boolean
}

export async function checkExtensions(
  prefix: string,
  client: ClientBase,
  system: SystemDefinition,
  service: string,
): Promise<readonly HealthCheck[]> {
  const wanted = system.services[service]?.extensions ?? []
  if (wanted.length === 0) return []
  const { rows } = await client.query<ExtensionRow>(
    `SELECT w.name, EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = w.name) AS is_made,
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = w.name) AS is_offered
     FROM unnest($1::text[]) AS w (name)`,
    [wanted],
  )
  return rows.map(({ name, is_made: isMade, is_offered: isOffered }) => {
    const check = `${prefix}.extension.${name}`
    if (isMade) return ok(check, `the extension ${name} is there`)
    if (isOffered) {
      const fix = [`sluice provision --service ${service}`]
      return warning(check, { summary: `the extension ${name} is not made yet`, fix, code: 'SLU-5005' })
    }
    return failed(check, {
      summary: `the server does not have the extension ${name}`,
      fix: [`install ${name} on the server, or name one that has it in SLUICE_${service.toUpperCase()}_URL`],
      code: 'SLU-5005',
    })
  })
}
