/** Whether the structure of a service database is what the migrations that are applied to it make. */
import { type SluiceError, isSluiceError } from '@sluice/core'
import { withScratchDatabase } from './scratch-database.ts'
import { type ServiceDatabase } from './service-database.ts'
import { appliedInOrder, makeStructure } from './made-structure.ts'
import { type StructureDifference, compareStructures } from './structure/compare-structures.ts'
import { readStructure } from './structure/read-structure.ts'
import { without, withoutLatePartitions } from './structure/structure.ts'

export interface ServiceDrift {
  readonly service: string
  /** Expected is what the migrations make, found what the database has. */
  readonly differences: readonly StructureDifference[]
  /** How many things of the service the migrations make. */
  readonly compared: number
  /** Not applied, so not expected. */
  readonly pending: readonly string[]
  /** Why it could not be compared; then nothing else is known. */
  readonly error: SluiceError | null
}

export interface DriftOptions {
  readonly services: readonly ServiceDatabase[]
  /** Aborted: the service at hand is finished, and no further one begun. */
  readonly signal: AbortSignal
  /** Called before each service, with the number of those before it. */
  readonly onService?: (service: string, done: number) => void
}

/** One for each service, in their order; changes nothing but scratch databases, which it drops. */
export async function readDrift({ services, signal, onService }: DriftOptions): Promise<readonly ServiceDrift[]> {
  const drifts: ServiceDrift[] = []
  for (const database of services) {
    if (signal.aborted) break
    onService?.(database.service, drifts.length)
    drifts.push(await readOne(database))
  }
  return drifts
}

async function readOne(database: ServiceDatabase): Promise<ServiceDrift> {
  const { service, target } = database
  try {
    const { applied, pending } = await appliedInOrder(database)
    const made = await withScratchDatabase(target, (scratch) => makeStructure(scratch, database, applied.length))
    const live = withoutLatePartitions(without(await readStructure(target), made.sluice), made.own)
    return { service, differences: compareStructures(made.own, live), compared: made.own.size, pending, error: null }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    return { service, differences: [], compared: 0, pending: [], error }
  }
}
