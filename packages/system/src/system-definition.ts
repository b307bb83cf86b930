/** A system: one monolith, the services it is split into, and everything between them. */
import type { CapturedTable } from './captured-table.ts'
import type { ConnectionLimits, ServiceConnections } from './connection-limits.ts'
import type { DecryptGrant } from './decrypt-grant.ts'
import type { OutboxDefinition } from './outbox-definition.ts'
import type { Projection } from './projection.ts'
import type { SinkTable } from './sink-table.ts'

export interface MonolithDefinition {
  /** Folder of .sql files that make the monolith's schema for the demo and tests; a real monolith has its own. */
  readonly migrations?: URL
  readonly tables: readonly CapturedTable[]
  readonly outbox?: OutboxDefinition
}

export interface ServiceDefinition {
  /**
   * Name of its database, where that is agreed upon: `sluice dev` makes it under that name. Elsewhere the service's URL says which
   * one it is.
   * @default `<system>_<service>`
   */
  readonly database?: string
  /** Folder of the service's own migrations. */
  readonly migrations: URL
  readonly projections: readonly Projection[]
  /** Encrypted columns that the service's mappings receive in the clear. @default none: they receive the captured form */
  readonly decrypt?: readonly DecryptGrant[]
  /** A second reader with a slot and lane of its own takes the events that the service writes into its outbox. */
  readonly outbox?: OutboxDefinition
  /** Tables of one store outside of PostgreSQL that the projector fills beside the service's own (decision 0021). @default none */
  readonly sinks?: readonly SinkTable[]
  /**
   * True if the service's tables don't refer to each other, have no unique index beyond their keys, and no row is given another key:
   * then its events are ordered per key only, and several projector processes share the work (decision 0010).
   * @default false
   */
  readonly independent?: boolean
  /** Extensions that the migrations need, such as `vector`; `sluice provision` makes them where the server has them. @default none */
  readonly extensions?: readonly string[]
  /** What its server and its pooler let in; `defineSystem` adds them up. @default not counted */
  readonly connections?: ServiceConnections
  /** Roles that get at the service's database. @default none: rights are given by hand */
  readonly roles?: ServiceRoles
  /**
   * Tables that the service fills by itself, `access_audit` or `schema.access_audit`: nothing of the monolith says what they hold, so
   * `verify` neither compares them nor calls them unverifiable. @default none
   */
  readonly ownTables?: readonly string[]
}

/**
 * Roles without login, made by `sluice provision` where they are missing; whoever logs in is made a member of one. The service's
 * migrations give them rights on its tables, `sluice provision` those on Sluice's own.
 */
export interface ServiceRoles {
  readonly projector: string
  readonly verifier: string
  /** Others that the migrations name: the application's, that of retention. @default none */
  readonly others?: readonly string[]
}

export interface SystemDefinition {
  /** Lower case letters, digits and underscores; part of slot, topic and group names. */
  readonly name: string
  readonly title?: string
  /** Folder in which the generated Avro schemas are kept. */
  readonly avroSchemas: URL
  readonly monolith: MonolithDefinition
  readonly services: Readonly<Record<string, ServiceDefinition>>
  /** What the servers of all services may have together. @default no limit */
  readonly connectionLimits?: ConnectionLimits
}
