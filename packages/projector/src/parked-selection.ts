/** Which parked events a person means. */

/** All that is given must hold; nothing given means all. */
export interface ParkedSelection {
  readonly eventId?: string
  /** Events that touch this aggregate. */
  readonly aggregate?: { readonly type: string; readonly id: string }
  readonly topic?: string
  /** SQLSTATE or code of Sluice; or the class of one, its first two digits or `SLU-50`. */
  readonly error?: string
}

/** Conditions over `public.parked_events AS p`, with parameters from `$1` on. */
export interface SelectionSql {
  readonly condition: string
  /** Of events that the error leaves out, since they only waited, and whose blocker has left the lot: nothing holds them any more. */
  readonly released: string
  readonly values: readonly string[]
}

export function selectionSql(selection: ParkedSelection): SelectionSql {
  const conditions: string[] = []
  const values: string[] = []
  const parameter = (value: string): string => `$${values.push(value)}`
  const { eventId, aggregate, topic, error } = selection
  if (eventId !== undefined) conditions.push(`p.event_id = ${parameter(eventId)}::uuid`)
  if (aggregate) {
    const type = parameter(aggregate.type)
    const id = parameter(aggregate.id)
    conditions.push(`p.aggregate_type = ${type} AND (p.aggregate_id = ${id}::uuid OR p.other_aggregate_id = ${id}::uuid)`)
  }
  if (topic !== undefined) conditions.push(`p.topic = ${parameter(topic)}`)
  if (error === undefined) return { condition: allOf(conditions), released: 'false', values }
  const released = allOf([...conditions, `p.projection = '' AND NOT ${isWaiting('p')}`])
  const code = parameter(error)
  // An event that only waits has no error of its own.
  conditions.push(`p.projection <> '' AND ${code} IN (p.sqlstate, left(p.sqlstate, 2), p.error_code, left(p.error_code, 6))`)
  return { condition: allOf(conditions), released, values }
}

/** An event whose blocker has left the parking lot is a first one. */
export function isWaiting(alias: string): string {
  return `EXISTS (SELECT FROM public.parked_events b WHERE b.event_id = ${alias}.waits_for)`
}

function allOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? 'true' : conditions.map((c) => `(${c})`).join(' AND ')
}
