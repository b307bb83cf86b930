/** A service, its database, and the sets of migrations that make it, in the order in which provision applies them. */
import { outboxMigration } from '@sluice/outbox'
import type { MigrationSet, PostgresTarget } from '@sluice/postgres'
import { PROJECTOR_MIGRATIONS, ownMigrations } from '@sluice/projector'
import type { ServiceDefinition } from '@sluice/system'

export interface ServiceDatabase {
  readonly service: string
  readonly target: PostgresTarget
  readonly definition: ServiceDefinition
}

/** Sets of Sluice's own tables in a service database: those that come before the service's, which may refer to them, and those after it. */
export function sluiceSets({ definition }: ServiceDatabase): {
  readonly before: readonly MigrationSet[]
  readonly after: readonly MigrationSet[]
} {
  return { before: [PROJECTOR_MIGRATIONS], after: definition.outbox ? [outboxMigration] : [] }
}

/** The set of the service's own tables: the one that people write, undo and draft. */
export function serviceSet({ definition }: ServiceDatabase): MigrationSet {
  return ownMigrations(definition)
}

export function everySet(database: ServiceDatabase): readonly MigrationSet[] {
  const { before, after } = sluiceSets(database)
  return [...before, serviceSet(database), ...after]
}
