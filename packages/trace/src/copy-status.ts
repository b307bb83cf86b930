/** Read-only copies that services hold of what others own, and how far each is behind. */
import { type SystemDefinition, lanesOf } from '@sluice/system'
import type { CopyStatus, ServiceStatus } from './status-report.ts'

/**
 * A copy is filled by the same events as its owner's table, in the order of its lane: so it is as old as what the service has not
 * applied of that lane.
 */
export function copyStatus(system: SystemDefinition, services: readonly ServiceStatus[]): readonly CopyStatus[] {
  const lanes = lanesOf(system)
  return services.flatMap(({ service, projector }) =>
    (system.services[service]?.projections ?? []).flatMap((p): CopyStatus[] => {
      if (p.kind !== 'mapping' || p.copyOf === null) return []
      const lane = lanes.find((l) => l.tables.includes(p.source))
      const at = projector.value?.lanes.find((l) => l.lane === lane?.name)
      return [
        {
          service,
          table: p.targetSchema === 'public' ? p.target : `${p.targetSchema}.${p.target}`,
          owner: p.copyOf,
          lagEvents: at?.lagEvents ?? null,
          lagSeconds: at?.lagSeconds ?? null,
        },
      ]
    }),
  )
}
