/** Puts events into the tree of their causes. */

export interface CausedEvent {
  readonly eventId: string
  readonly causationId: string | null
}

export interface CausationNode<Event extends CausedEvent> {
  readonly event: Event
  readonly children: readonly CausationNode<Event>[]
}

/**
 * Every event once, under the event that its causation id names; one whose cause is not among them is a root. Ids come from
 * applications, so two may name each other: of such a ring the first in order is a root.
 */
export function causationTree<Event extends CausedEvent>(events: readonly Event[]): readonly CausationNode<Event>[] {
  const known = new Set(events.map((e) => e.eventId))
  const byCause = Map.groupBy(events, (e) => (e.causationId !== null && known.has(e.causationId) ? e.causationId : null))
  const placed = new Set<string>()
  const node = (event: Event): CausationNode<Event> => {
    placed.add(event.eventId)
    const caused = (byCause.get(event.eventId) ?? []).filter((e) => !placed.has(e.eventId))
    return { event, children: caused.map(node) }
  }
  const roots = (byCause.get(null) ?? []).map(node)
  const rings = events.flatMap((event) => (placed.has(event.eventId) ? [] : [node(event)]))
  return [...roots, ...rings]
}
