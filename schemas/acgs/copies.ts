/** Read-only copies of what another service owns, with the columns that others need: no password, no address, no text. */
import { type TableMapping, mapTable } from '@sluice/system'
import * as tables from './tables.ts'

export const usersCopy: TableMapping = mapTable(tables.users, {
  into: 'users',
  copyOf: 'auth_service',
  columns: (c) => ({ id: c.id, username: c.username, full_name: c.full_name, is_active: c.is_active }),
})

/** @param into The document calls them `sessions` in one service, `user_sessions` in another. */
export function sessionsCopy(into: 'sessions' | 'user_sessions'): TableMapping {
  return mapTable(tables.sessions, {
    into,
    copyOf: 'auth_service',
    columns: (c) => ({
      id: c.id,
      user_id: c.user_id,
      started_at: c.started_at,
      expires_at: c.expires_at,
      ended_at: c.ended_at,
    }),
  })
}

export const auditLogsCopy: TableMapping = mapTable(tables.auditLogs, {
  into: 'audit_logs',
  copyOf: 'integrity_service',
  columns: (c) => ({
    id: c.id,
    chain_id: c.chain_id,
    sequence_number: c.sequence_number,
    service: c.service,
    action: c.action,
    occurred_at: c.occurred_at,
    entry_hash: c.entry_hash,
  }),
})

export const policiesCopy: TableMapping = mapTable(tables.policies, {
  into: 'policies',
  copyOf: 'governance_synthesis',
  columns: (c) => ({ id: c.id, title: c.title, version: c.version, status: c.status }),
})
