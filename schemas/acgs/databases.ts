/** The database of each service, by the document's name: what `SLUICE_<SERVICE>_URL` ends with. */
import type system from './system.ts'

export type ServiceName = keyof (typeof system)['services']

export const databases = {
  auth_service: 'auth_db',
  constitutional_ai: 'constitutional_db',
  integrity_service: 'integrity_db',
  formal_verification: 'verification_db',
  governance_synthesis: 'synthesis_db',
  policy_governance: 'governance_db',
  executive_council: 'council_db',
  dgm_service: 'dgm_db',
} as const satisfies Readonly<Record<ServiceName, string>>
