/** The database of each service, by the document's name: what `SLUICE_<SERVICE>_URL` ends with. */
import type system from './system.ts'

export type ServiceName = keyof (typeof system)['services']

export const databases = {
  cas_audit: 'cas_audit',
  cds_client: 'cds_client',
  cds_document: 'cds_document',
  cds_interaction: 'interaction_db',
  cds_product: 'cds_product',
  cds_relationship: 'relationship_db',
  cds_riskprofile: 'riskprofile_db',
  rmbrain_mainapp: 'rmbrain_mainapp',
  cds_task: 'cds_task',
} as const satisfies Readonly<Record<ServiceName, string>>
