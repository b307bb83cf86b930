/** `sluice migrate drift` */
import { SluiceError, serializeError } from '@sluice/core'
import { type ServiceDrift, type StructureDifference, readDrift } from '@sluice/migrate'
import type { CommandImplementation } from '../command.ts'
import { partsLine } from '../parts-progress.ts'
import { formatCount } from '../table.ts'
import { serviceDatabases } from './migrate.ts'

export const migrateDrift: CommandImplementation = async (context, input) => {
  const databases = await serviceDatabases(context, input)
  const phase = context.progress.phase('comparing structures')
  const line = partsLine()
  const services = await readDrift({
    services: databases,
    signal: context.signal,
    onService: (service, done) => phase.update(line(service, done, databases.length)),
  })
  const different = services.filter((s) => s.differences.length > 0)
  const compared = services.reduce((sum, s) => sum + s.compared, 0)
  phase.done(`${formatCount(compared)} tables, columns and other things of ${services.length} services`)
  const unknown = services.find((s) => s.error !== null)?.error ?? null
  const verdict = unknown ?? (different.length === 0 ? null : differs(different))
  return {
    summary: `${services.length} services have the structure that their migrations make`,
    result: { services: services.map((s) => ({ ...s, error: s.error && serializeError(s.error) })) },
    text: services.flatMap(serviceLines).join('\n'),
    ...(verdict ? { verdict } : {}),
    nextSteps: different.map(
      (s) => `sluice migrate new ${s.service} <name> --diff    drafts a migration from what the database has`,
    ),
  }
}

function serviceLines({ service, differences, pending, error }: ServiceDrift): readonly string[] {
  return [
    ...(error ? [`${service}  ${error.number} ${error.what}: ${error.why}`] : []),
    ...(pending.length > 0 ? [`${service}  not applied, so not expected: ${pending.join(', ')}`] : []),
    ...differences.flatMap((difference) => differenceLines(difference).map((line) => `${service}  ${line}`)),
  ]
}

/** What is different from what the migrations make, or a draft was to make. */
export function differenceLines({ kind, name, problem, facets }: StructureDifference): readonly string[] {
  if (problem === 'missing') return [`${kind} ${name} is missing`]
  if (problem === 'unexpected') return [`${kind} ${name} is there, and no migration makes it`]
  return facets.map(
    ({ facet, expected, found }) =>
      `${kind} ${name}, ${facet}: ${found ?? 'none'}, and the migrations make ${expected ?? 'none'}`,
  )
}

function differs(different: readonly ServiceDrift[]): SluiceError {
  const count = different.reduce((sum, s) => sum + s.differences.length, 0)
  return new SluiceError('STRUCTURE_DIFFERS', {
    what: `${different.map((s) => s.service).join(', ')} ${different.length === 1 ? 'is' : 'are'} not what the migrations make`,
    why: `${count} ${count === 1 ? 'thing differs' : 'things differ'}`,
    ways: [
      'undo by hand what was changed by hand',
      `sluice migrate new ${different[0]?.service ?? ''} <name> --diff    makes a migration of it`,
    ],
  })
}
