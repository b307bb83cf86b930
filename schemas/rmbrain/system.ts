/**
 * RM Brain: what relationship managers know of their clients. It has no monolith of its own: the tables of its nine databases, in
 * one, are it, with the references between them that nine databases can not have.
 */
import { type CapturedTable, type ServiceDefinition, defineSystem, mapTable } from '@sluice/system'
import * as tables from './tables.ts'

/** A service that has these tables as they are, in the database that the document names. */
function service(name: string, database: string, ...owned: readonly CapturedTable[]): ServiceDefinition {
  return {
    database,
    migrations: new URL(`./services/${name}/`, import.meta.url),
    projections: owned.map((table) => mapTable(table, { into: table.name })),
  }
}

export default defineSystem({
  name: 'rmbrain',
  title: 'RM Brain',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { migrations: new URL('./monolith/', import.meta.url), tables: Object.values(tables) },
  services: {
    cas_audit: service('cas_audit', 'cas_audit', tables.auditEvents),
    cds_client: service('cds_client', 'cds_client', tables.clients, tables.clientLinks),
    cds_document: service('cds_document', 'cds_document', tables.documents),
    cds_interaction: service('cds_interaction', 'interaction_db', tables.interactions),
    cds_product: service('cds_product', 'cds_product', tables.products),
    cds_relationship: service('cds_relationship', 'relationship_db', tables.relationships),
    cds_riskprofile: service('cds_riskprofile', 'riskprofile_db', tables.riskProfiles, tables.suitabilityAssessments),
    rmbrain_mainapp: service(
      'rmbrain_mainapp',
      'rmbrain_mainapp',
      tables.plugins,
      tables.tenantPlugins,
      tables.pluginEventRegistry,
      tables.eventMappings,
    ),
    cds_task: service('cds_task', 'cds_task', tables.tasks),
  },
})
