/** How far a service is in each of its lanes, as its own database says. */
import type { ClientBase } from 'pg'

export interface ProjectorFacts {
  readonly lanes: ReadonlyMap<string, { readonly position: bigint; readonly updatedAt: string }>
  readonly parked: number
  readonly isHeld: boolean
  /** Owners of partitions where members share the work, a member that has ended included until another takes its place. */
  readonly members: number
}

export async function projectorFacts(client: ClientBase): Promise<ProjectorFacts> {
  const positions = await client.query<{ lane_name: string; applied: string; updated_at: Date }>(
    'SELECT lane_name, applied_position::text AS applied, updated_at FROM public.projector_positions',
  )
  const { rows } = await client.query<{ parked: number; is_held: boolean; members: number }>(
    `SELECT (SELECT count(*)::integer FROM public.parked_events) AS parked,
       EXISTS (SELECT 1 FROM public.projector_barriers WHERE expires_at > clock_timestamp()) AS is_held,
       (SELECT count(DISTINCT owner)::integer FROM public.consumed_offsets) AS members`,
  )
  const lanes = positions.rows.map(
    (row) => [row.lane_name, { position: BigInt(row.applied), updatedAt: row.updated_at.toISOString() }] as const,
  )
  return { lanes: new Map(lanes), parked: rows[0]!.parked, isHeld: rows[0]!.is_held, members: rows[0]!.members }
}
