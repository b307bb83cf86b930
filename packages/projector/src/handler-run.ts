/**
 * Takes the events that handlers meet apart: what the mappings make of them, as sets, and the handlers' calls, in order. A
 * handler reads its event and the tables that only it writes, so both may be done one after the other (decision 0008).
 */
import type { BatchEvent } from './batch.ts'
import type { EventRoute, TableRoute } from './projection-plan.ts'

/** Sets are merged by table, so each table has one form without its handlers. */
const mappedRoutes = new WeakMap<TableRoute, TableRoute>()

export function hasHandlers({ route }: BatchEvent): boolean {
  return route !== null && (route.kind === 'own' || route.table.handlers.length > 0)
}

/** The events as the mappings see them; those that only handlers meet are left out. */
export function mappedEvents(events: readonly BatchEvent[]): readonly BatchEvent[] {
  return events.flatMap((item) => {
    if (!hasHandlers(item) || item.route === null) return [item]
    if (item.route.kind === 'own' || item.route.table.targets.length === 0) return []
    return [{ ...item, route: { kind: 'table', table: mappedRoute(item.route.table) } } satisfies BatchEvent]
  })
}

/** The route of an event whose handlers were called elsewhere. */
export function withoutHandlers(route: EventRoute | null): EventRoute | null {
  return route?.kind === 'table' ? { kind: 'table', table: mappedRoute(route.table) } : null
}

function mappedRoute(table: TableRoute): TableRoute {
  const known = mappedRoutes.get(table)
  if (known) return known
  const mapped = { ...table, handlers: [] }
  mappedRoutes.set(table, mapped)
  return mapped
}
