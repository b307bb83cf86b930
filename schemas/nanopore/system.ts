/**
 * Nanopore tracking: samples of a sequencing laboratory, and what belongs to their work. One database becomes five. The plan has
 * samples and users in its monolith; the tables of the other four databases, in the same one, are theirs.
 */
import { type CapturedTable, type ServiceDefinition, defineSystem, mapTable } from '@sluice/system'
import * as tables from './tables.ts'

/** A service that has these tables as they are. */
function service(name: string, ...owned: readonly CapturedTable[]): ServiceDefinition {
  return {
    migrations: new URL(`./services/${name}/migrations/`, import.meta.url),
    projections: owned.map((table) => mapTable(table, { into: table.name })),
  }
}

export default defineSystem({
  name: 'nanopore',
  title: 'Nanopore tracking',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { migrations: new URL('./monolith/', import.meta.url), tables: Object.values(tables) },
  services: {
    samples: service('samples', tables.samples, tables.sampleDetails, tables.processingSteps, tables.attachments),
    ai: service('ai', tables.processingJobs, tables.extractionResults, tables.modelPerformance),
    audit: service('audit', tables.auditLogs, tables.complianceReports, tables.retentionPolicies),
    backup: service('backup', tables.backupSchedules, tables.backupJobs, tables.backupMetadata),
    config: service('config', tables.applicationConfigs, tables.featureFlags, tables.configHistory),
  },
})
