/** The texts that embeddings are made of. */
import { type ServiceDefinition, mapTable, sql } from '@sluice/system'
import { companies, opportunities, proposals } from '../../tables.ts'

export const ai: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  projections: [
    mapTable(opportunities, {
      into: 'opportunity_texts',
      columns: (c) => ({
        id: c.id,
        title: c.title,
        description: c.description,
        agency: c.agency,
        naics_code: c.naics_code,
        requirements: c.requirements,
        details: c.details,
        embeddings_version: sql`1`,
      }),
    }),
    mapTable(companies, {
      into: 'company_profiles',
      columns: (c) => ({
        id: c.id,
        name: c.name,
        profile: c.description,
        naics_codes: c.naics_codes,
        annual_revenue: c.annual_revenue,
        address: c.address,
      }),
    }),
    mapTable(proposals, {
      into: 'proposal_texts',
      columns: (c) => ({ id: c.id, title: c.title, technical_approach: c.technical_approach, sections: c.sections }),
    }),
  ],
}
