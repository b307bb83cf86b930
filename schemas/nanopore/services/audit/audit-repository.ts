/** The audit trail as the audit service works with it, once it owns its database. What must not happen to it, PostgreSQL refuses. */
import type { ServiceDatabase } from '@sluice/database-manager'

export interface AuditRecord {
  readonly entityType: string
  readonly entityId: string
  readonly action: 'create' | 'read' | 'update' | 'delete' | 'login' | 'logout' | 'export'
  readonly severity?: 'info' | 'warning' | 'critical'
  readonly isSecurityEvent?: boolean
  readonly userId?: string
  readonly ipAddress?: string
  readonly newValues?: Readonly<Record<string, unknown>>
}

export interface ReportPeriod {
  readonly framework: string
  /** Days as `2026-01-31`, both included. */
  readonly from: string
  readonly to: string
}

export interface SecurityFigures {
  readonly user_id: string
  readonly security_events: number
  readonly addresses: number
  readonly critical: number
}

/** The one role whose removals PostgreSQL accepts, once a policy has let the time pass. */
const RETENTION_ROLE = 'nanopore_retention'

export class AuditRepository {
  readonly #database: ServiceDatabase

  constructor(database: ServiceDatabase) {
    this.#database = database
  }

  /** @returns the record's id */
  async log(record: AuditRecord): Promise<string> {
    const { rows } = await this.#database.query<{ id: string }>(
      `INSERT INTO audit_logs (entity_type, entity_id, action, severity, is_security_event, user_id, ip_address, new_values)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb) RETURNING id`,
      [
        record.entityType,
        record.entityId,
        record.action,
        record.severity ?? 'info',
        record.isSecurityEvent ?? false,
        record.userId ?? null,
        record.ipAddress ?? null,
        record.newValues === undefined ? null : JSON.stringify(record.newValues),
      ],
    )
    return rows[0]!.id
  }

  /**
   * A report on a period: what happened, by entity and action. It costs ten points of a hundred for each critical record among
   * a hundred.
   *
   * @returns the report's id
   */
  async report({ framework, from, to }: ReportPeriod): Promise<string> {
    return this.#database.transaction(
      async (transaction) => {
        const { rows } = await transaction.query<{ id: string }>(
          `WITH found AS (
             SELECT entity_type, action, count(*) AS records, count(*) FILTER (WHERE severity = 'critical') AS critical
             FROM audit_logs WHERE occurred_at >= $2::date AND occurred_at < $3::date + 1 GROUP BY 1, 2)
           INSERT INTO compliance_reports (framework, period_start, period_end, status, findings, score)
           SELECT $1, $2::date, $3::date, 'final', coalesce(jsonb_agg(to_jsonb(found) ORDER BY entity_type, action), '[]'),
                  greatest(0, 100 - 1000 * coalesce(sum(critical) / nullif(sum(records), 0), 0))
           FROM found RETURNING id`,
          [framework, from, to],
        )
        return rows[0]!.id
      },
      { purpose: 'write a compliance report' },
    )
  }

  async setPolicy(entityType: string, retentionDays: number, legalBasis: string): Promise<void> {
    await this.#database.query(
      `INSERT INTO retention_policies (entity_type, retention_days, legal_basis) VALUES ($1, $2, $3)
       ON CONFLICT (entity_type) DO UPDATE SET retention_days = excluded.retention_days, legal_basis = excluded.legal_basis`,
      [entityType, retentionDays, legalBasis],
    )
  }

  /** Removes what its active policy has let go, as the role of retention; the removal leaves a record. @returns how many records */
  async applyRetention(entityType: string): Promise<number> {
    return this.#database.transaction(
      async (transaction) => {
        await transaction.query(`SET LOCAL ROLE ${RETENTION_ROLE}`)
        const { rowCount } = await transaction.query(
          `DELETE FROM audit_logs a USING retention_policies p
           WHERE a.entity_type = $1 AND p.entity_type = $1 AND p.is_active
             AND a.occurred_at < now() - make_interval(days => p.retention_days)`,
          [entityType],
        )
        await transaction.query('RESET ROLE')
        await transaction.query('UPDATE retention_policies SET last_applied_at = now() WHERE entity_type = $1', [entityType])
        return rowCount ?? 0
      },
      { purpose: 'apply retention' },
    )
  }

  /** Users with security events, those with the most first. */
  async securityFigures(): Promise<readonly SecurityFigures[]> {
    return this.#database.read(
      async (transaction) => {
        const { rows } = await transaction.query<SecurityFigures>(
          `SELECT user_id, count(*)::integer AS security_events, count(DISTINCT ip_address)::integer AS addresses,
                  (count(*) FILTER (WHERE severity = 'critical'))::integer AS critical
           FROM audit_logs WHERE is_security_event AND user_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1`,
        )
        return rows
      },
      { purpose: 'figures of security events' },
    )
  }
}
