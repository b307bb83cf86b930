/** MedContractHub: a platform for federal contracting opportunities, and the five services it is split into. */
import { defineSystem } from '@sluice/system'
import { ai } from './services/ai/service.ts'
import { analytics } from './services/analytics/service.ts'
import { ocr } from './services/ocr/service.ts'
import { realtime } from './services/realtime/service.ts'
import { worker } from './services/worker/service.ts'
import { apiUsage, companies, contractDocuments, opportunities, proposals, users } from './tables.ts'
import { proposalEventsTopic } from './topics.ts'

export default defineSystem({
  name: 'medcontracthub',
  title: 'MedContractHub',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: {
    migrations: new URL('./monolith/', import.meta.url),
    tables: [companies, users, opportunities, proposals, contractDocuments, apiUsage],
    outbox: { topic: proposalEventsTopic },
  },
  services: { ocr, analytics, ai, realtime, worker },
})
