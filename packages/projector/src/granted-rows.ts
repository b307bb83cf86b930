/** Events as the service's projections may see them: granted columns in the clear, the others in their captured form. */
import { GrantedColumns, type KeyAccess, requireMasterKeys } from '@sluice/privacy'
import type { SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import type { ProjectionPlan } from './projection-plan.ts'

/** Null where the service has no grant. @throws SluiceError SLU-8001 if it has one and no keys are given */
export function grantedColumnsOf(system: SystemDefinition, service: string, keys: KeyAccess | null): GrantedColumns | null {
  const definition = system.services[service]
  if (!definition?.decrypt || definition.decrypt.length === 0) return null
  const master = requireMasterKeys(keys?.master ?? null, `service "${service}" is granted encrypted columns`)
  return keys && new GrantedColumns(system.name, service, definition, { ...keys, master })
}

/**
 * @param client The transaction in which the events take effect; what was parked keeps the captured form.
 * @param isDue The others are returned as they are. By default all but those that claim values, which are opened when these are there.
 */
export async function revealRows(
  client: ClientBase,
  { granted }: ProjectionPlan,
  items: readonly BatchEvent[],
  isDue: (item: BatchEvent) => boolean = ({ event }) => event.claims === undefined,
): Promise<readonly BatchEvent[]> {
  if (granted === null) return items
  const due = items.filter(isDue)
  const events = await granted.reveal(
    client,
    due.map((item) => item.event),
  )
  const revealed = new Map(due.map((item, i) => [item, { ...item, event: events[i]! }]))
  return items.map((item) => revealed.get(item) ?? item)
}
