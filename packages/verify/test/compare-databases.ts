/** Compares databases as they stand, without pipeline and barriers: for tests of the comparison alone. */
import type { PostgresTarget } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import type { ServicePoint } from '../src/comparison-point.ts'
import type { ServiceReport } from '../src/index.ts'
import { SnapshotSession } from '../src/snapshot-session.ts'
import { DEFAULT_VERIFY_LIMITS } from '../src/verify-limits.ts'
import { verifyServices } from '../src/verify-services.ts'

export interface PlainTargets {
  readonly monolith: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

/** @param between Runs once the snapshots are taken, before anything is compared. */
export async function compareDatabases(
  system: SystemDefinition,
  targets: PlainTargets,
  between: () => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly ServiceReport[]> {
  const { signal } = new AbortController()
  const opened: SnapshotSession[] = []
  const open = async (target: PostgresTarget): Promise<SnapshotSession> => {
    const session = await SnapshotSession.open(target, { signal })
    opened.push(session)
    return session
  }
  const sources = new Map([['monolith', [await open(targets.monolith)]]])
  const services = new Map<string, ServicePoint>()
  for (const [service, target] of Object.entries(targets.services)) {
    sources.set(service, [await open(target)])
    services.set(service, { session: await open(target), lanes: [], parked: 0, edited: [] })
  }
  try {
    await between()
    return await verifyServices(
      { sources, services },
      { system, limits: DEFAULT_VERIFY_LIMITS, reader: null, onProgress: () => undefined },
    )
  } finally {
    await Promise.all(opened.map((session) => session.close()))
  }
}
