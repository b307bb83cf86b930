/** Checks of the schema registry: it answers, and takes every schema of the system. */
import { type SchemaRegistry, deriveSchemas } from '@sluice/avro'
import type { HealthCheck } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { failed, ok } from './finding.ts'

export async function checkRegistry(registry: SchemaRegistry, system: SystemDefinition): Promise<readonly HealthCheck[]> {
  await registry.ping()
  const checks: HealthCheck[] = [ok('registry.connection', 'it answers')]
  for (const { subject, schema } of deriveSchemas(system)) {
    const name = `registry.schema.${subject}`
    const id = await registry.find(subject, schema)
    if (id !== null) {
      checks.push(ok(name, `registered as id ${id}`))
      continue
    }
    const reasons = await registry.incompatibilities(subject, schema)
    checks.push(
      reasons.length === 0
        ? ok(name, 'not registered yet; it would be taken')
        : failed(name, {
            summary: 'not backward compatible with the registered one',
            cause: reasons.join('; '),
            fix: ['keep the column with its type, or give the changed one a new name', 'sluice schemas check'],
            code: 'SLU-4202',
          }),
    )
  }
  return checks
}
