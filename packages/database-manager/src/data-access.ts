/**
 * What is told of every unit of work before it gets a connection, so that reads leave a trace, too: a trigger does not see them. A
 * unit that could not be recorded does not run.
 */
import { SluiceError, currentContext, quoteQualified } from '@sluice/core'
import { currentTenant } from './tenant-context.ts'

export interface DataAccess {
  readonly service: string
  /** A single statement, a read-only transaction, or one that may write. */
  readonly kind: 'statement' | 'read' | 'transaction'
  /** In the application's words; of a single statement its text, without values. */
  readonly purpose: string
  readonly tenantId: string | null
  /** Those of `runInContext`. */
  readonly userId: string | null
  readonly correlationId: string | null
}

export type RecordAccess = (access: DataAccess) => Promise<void>

/** A table of a service that takes the records: columns as in `DataAccess`, in snake case. Records of its own are not recorded. */
export interface AccessLog<Name extends string> {
  readonly service: Name
  /** @default 'public' */
  readonly schema?: string
  readonly table: string
}

/** @throws SluiceError SLU-9005 if the unit of work does not say what it is for */
export function accessOf(service: string, kind: DataAccess['kind'], purpose: string | undefined): DataAccess {
  if (purpose === undefined || purpose === '') {
    throw new SluiceError('ACCESS_UNNAMED', {
      what: `a ${kind} of service "${service}" was not run`,
      why: 'access is recorded, and it does not say what it is for',
      ways: [`${kind}(work, { purpose: 'find samples of a user' })`],
    })
  }
  const { userId, correlationId } = currentContext()
  return {
    service,
    kind,
    purpose,
    tenantId: currentTenant() ?? null,
    userId: userId ?? null,
    correlationId: correlationId ?? null,
  }
}

/** The statement that records an access, and its values. */
export function accessStatement(
  { schema = 'public', table }: AccessLog<string>,
  access: DataAccess,
): { readonly text: string; readonly values: readonly unknown[] } {
  return {
    text: `INSERT INTO ${quoteQualified(schema, table)} (service, kind, purpose, tenant_id, user_id, correlation_id)
           VALUES ($1, $2, $3, $4, $5, $6)`,
    values: [access.service, access.kind, access.purpose, access.tenantId, access.userId, access.correlationId],
  }
}
