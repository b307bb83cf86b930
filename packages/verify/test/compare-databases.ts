/** Compares databases as they stand, without pipeline and barriers: for tests of the comparison alone. */
import type { PostgresTarget } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import type { ServiceReport } from '../src/index.ts'
import { SnapshotSession } from '../src/snapshot-session.ts'
import { DEFAULT_VERIFY_LIMITS } from '../src/verify-limits.ts'
import { verifyServices } from '../src/verify-services.ts'

export interface PlainTargets {
  readonly monolith: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

export async function compareDatabases(system: SystemDefinition, targets: PlainTargets): Promise<readonly ServiceReport[]> {
  const { signal } = new AbortController()
  const monolith = [await SnapshotSession.open(targets.monolith, { signal })]
  const services = await Promise.all(
    Object.entries(targets.services).map(async ([service, target]) => {
      const session = await SnapshotSession.open(target, { signal })
      return [service, { session, lanes: [], parked: 0 }] as const
    }),
  )
  try {
    const point = { monolith, services: new Map(services) }
    return await verifyServices(point, { system, limits: DEFAULT_VERIFY_LIMITS, onProgress: () => undefined })
  } finally {
    await Promise.all([...monolith, ...services.map(([, point]) => point.session)].map((session) => session.close()))
  }
}
