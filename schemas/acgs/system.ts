/**
 * ACGS: rules that an AI is governed by, and what is decided, proved and recorded under them. Eight services share one database, with
 * service-prefixed tables; each gets a database of its own, and read-only copies of the rows of other services that its rows refer to.
 */
import { type CapturedTable, type ServiceDefinition, type TableMapping, defineSystem, mapTable } from '@sluice/system'
import { auditLogsCopy, policiesCopy, sessionsCopy, usersCopy } from './copies.ts'
import * as tables from './tables.ts'

/**
 * A service that has its tables as they are, under their own names, and copies beside them. Its applications come by a pgbouncer of its own.
 *
 * @param connections `max_connections` of its server
 */
function service(
  name: string,
  connections: number,
  role: string,
  owned: Readonly<Record<string, CapturedTable>>,
  copies: readonly TableMapping[],
): ServiceDefinition {
  return {
    migrations: new URL(`./services/${name}/`, import.meta.url),
    roles: { projector: `${role}_projector`, verifier: `${role}_verifier`, others: [`${role}_app`] },
    projections: [...copies, ...Object.entries(owned).map(([into, table]) => mapTable(table, { into }))],
    connections: { server: connections, pool: 20, clients: 100 },
  }
}

export default defineSystem({
  name: 'acgs',
  title: 'ACGS',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { migrations: new URL('./monolith/', import.meta.url), tables: Object.values(tables) },
  services: {
    auth_service: service(
      'auth_service',
      100,
      'auth',
      {
        users: tables.users,
        roles: tables.roles,
        permissions: tables.permissions,
        sessions: tables.sessions,
        tokens: tables.tokens,
      },
      [auditLogsCopy],
    ),
    constitutional_ai: service(
      'constitutional_ai',
      150,
      'constitutional',
      { principles: tables.principles, validations: tables.validations, compliance_checks: tables.complianceChecks },
      [auditLogsCopy, sessionsCopy('user_sessions')],
    ),
    integrity_service: service(
      'integrity_service',
      200,
      'integrity',
      { audit_logs: tables.auditLogs, integrity_checks: tables.integrityChecks, hash_chains: tables.hashChains },
      [usersCopy, sessionsCopy('sessions')],
    ),
    formal_verification: service(
      'formal_verification',
      100,
      'verification',
      {
        verification_rules: tables.verificationRules,
        proof_results: tables.proofResults,
        z3_models: tables.z3Models,
      },
      [auditLogsCopy],
    ),
    governance_synthesis: service(
      'governance_synthesis',
      150,
      'synthesis',
      {
        policies: tables.policies,
        synthesis_results: tables.synthesisResults,
        llm_interactions: tables.llmInteractions,
      },
      [usersCopy, auditLogsCopy],
    ),
    policy_governance: service(
      'policy_governance',
      200,
      'governance',
      {
        governance_rules: tables.governanceRules,
        enforcement_logs: tables.enforcementLogs,
        opa_policies: tables.opaPolicies,
      },
      [usersCopy, policiesCopy],
    ),
    executive_council: service(
      'executive_council',
      100,
      'council',
      { council_members: tables.councilMembers, decisions: tables.decisions, voting_records: tables.votingRecords },
      [usersCopy, policiesCopy],
    ),
    dgm_service: service(
      'dgm_service',
      100,
      'dgm',
      {
        improvements: tables.improvements,
        evolution_logs: tables.evolutionLogs,
        self_modifications: tables.selfModifications,
      },
      [auditLogsCopy, usersCopy],
    ),
  },
  connectionLimits: { total: 1_200, reserved: 200, monitoring: 50 },
})
