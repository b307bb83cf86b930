/** llama-mapper: maps what detectors find onto compliance taxonomies; one tenant-scoped monolith and the three services it is split into. */
import { defineSystem } from '@sluice/system'
import { analysis } from './services/analysis/service.ts'
import { mapper } from './services/mapper/service.ts'
import { orchestration } from './services/orchestration/service.ts'
import {
  accessPolicies,
  assistantAnswers,
  auditLog,
  experiments,
  frameworkDocuments,
  frameworks,
  jobs,
  models,
  policyDecisions,
  qualityMeasurements,
  serviceEndpoints,
  settings,
  storageRecords,
  tenants,
} from './tables.ts'

export default defineSystem({
  name: 'llama_mapper',
  title: 'llama-mapper',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: {
    migrations: new URL('./monolith/', import.meta.url),
    tables: [
      tenants,
      storageRecords,
      accessPolicies,
      policyDecisions,
      serviceEndpoints,
      jobs,
      auditLog,
      frameworks,
      frameworkDocuments,
      assistantAnswers,
      qualityMeasurements,
      models,
      experiments,
      settings,
    ],
  },
  services: { orchestration, analysis, mapper },
})
