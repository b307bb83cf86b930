/**
 * MedContractHub with the stores beside its service databases: the events of opportunities and of the API in ClickHouse. A definition of
 * its own, since it needs a server that the other one does not (`sluice demo` brings it along): `--system schemas/medcontracthub/with-sinks.ts`.
 */
import { defineSystem } from '@sluice/system'
import { apiUsageEvents, opportunityEvents } from './services/analytics/event-tables.ts'
import system from './system.ts'

export default defineSystem({
  ...system,
  services: { ...system.services, analytics: { ...system.services.analytics, sinks: [opportunityEvents, apiUsageEvents] } },
})
