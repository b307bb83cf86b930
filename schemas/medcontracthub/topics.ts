/** Topics by the document's names, and those of the applications' own events. */
import { topic } from '@sluice/system'

export const opportunitiesTopic = topic('contracts.opportunities.migrated', { partitions: 6 })
export const companiesTopic = topic('contracts.companies.migrated')
export const usersTopic = topic('contracts.users.migrated')
export const proposalsTopic = topic('contracts.proposals.migrated')
export const documentsTopic = topic('contracts.documents.migrated')
export const apiUsageTopic = topic('contracts.api_usage.migrated', { partitions: 6 })

/** What the monolith's application writes into its outbox. */
export const proposalEventsTopic = topic('contracts.proposals.events')
/** What the OCR service writes into its outbox. */
export const documentEventsTopic = topic('contracts.documents.events')
