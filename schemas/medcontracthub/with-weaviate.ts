/**
 * MedContractHub with its opportunities in Weaviate: `--system schemas/medcontracthub/with-weaviate.ts`. A definition of its own, since it
 * needs a server and an embedder that the others do not; `sluice demo` brings along both.
 */
import { defineSystem } from '@sluice/system'
import { opportunityClass } from './services/ai/opportunity-class.ts'
import system from './system.ts'

export default defineSystem({
  ...system,
  services: { ...system.services, ai: { ...system.services.ai, sinks: [opportunityClass] } },
})
