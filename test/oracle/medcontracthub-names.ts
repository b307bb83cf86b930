/** The monolith's captured tables and what their events call them, written by hand: nothing is taken from the system's definition. */
import type { CapturedNames } from './decoded-change.ts'

export const medcontracthubNames: CapturedNames = {
  tables: new Map(
    Object.entries({
      'public.companies': 'Company',
      'auth.users': 'User',
      'public.opportunities': 'Opportunity',
      'public.proposals': 'Proposal',
      'public.contract_documents': 'ContractDocument',
      'public.api_usage': 'ApiUsage',
    }).map(([table, aggregate]) => [table, { aggregate, key: 'id' }]),
  ),
  outbox: 'public.outbox',
}
