/** Every kind of fault, by name: when in a round it strikes, and how. */
import { FAULT_POINTS, type FaultPoint } from '@sluice/core'
import { SERVER_NAMES } from '@sluice/infra'
import type { Strike } from './strike.ts'
import { clockStep } from './strikes/clock-step.ts'
import { connectionsCut, connectionsSlow, connectionsStalled } from './strikes/connection-strikes.ts'
import { diskFull } from './strikes/disk-full.ts'
import { writeOversizeValue } from './oversize-messages.ts'
import { commandAt, projectorParks, relayParks, relayPublishesLate } from './strikes/parking-strikes.ts'
import { backfill, killAtPoint, killAtRandom, repeated, streamed } from './strikes/process-strikes.ts'
import { rebalance } from './strikes/rebalance.ts'
import { registryAway, serverAway } from './strikes/server-strikes.ts'

export type FaultKind = { readonly name: string } & (
  | { readonly when: 'streaming'; readonly strike: Strike }
  /** While the lane is made and loaded. At most so many of a kind in one round: then there is nothing left to load. */
  | { readonly when: 'load'; readonly point: FaultPoint; readonly perRoundMax: number }
  /** At the end of a round: the pipeline begins again. */
  | { readonly when: 'end' }
)

const LOAD_POINTS: ReadonlyMap<FaultPoint, number> = new Map([
  ['reader.slot-made', 4],
  ['reader.lane-made', 1],
  ['reader.chunk-read', 4],
  ['reader.chunk-stored', 2],
])

/** Points that the workload alone does not bring a process to, or not often. */
const RARE_POINTS: ReadonlyMap<FaultPoint, Strike> = new Map([
  ['reader.before-keepalive', killAtPoint('reader.before-keepalive', { passesMax: 1 })],
  ['reader.after-keepalive', killAtPoint('reader.after-keepalive', { passesMax: 1 })],
  ['reader.spool-begun', killAtPoint('reader.spool-begun', { bring: streamed, passesMax: 1 })],
  ['reader.spool-committed', killAtPoint('reader.spool-committed', { bring: streamed, passesMax: 1 })],
  ['reader.backfill-mark', killAtPoint('reader.backfill-mark', { bring: backfill, passesMax: 1 })],
  ['reader.backfill-chunk', killAtPoint('reader.backfill-chunk', { bring: backfill, passesMax: 1 })],
  ['relay.claim-stored', killAtPoint('relay.claim-stored', { bring: repeated(writeOversizeValue), passesMax: 2 })],
  ['relay.before-parked', relayParks('relay.before-parked')],
  ['relay.after-parked', relayParks('relay.after-parked')],
  ['relay.late-published', relayPublishesLate],
  ['projector.event-parked', projectorParks],
  ['parked.before-commit', commandAt('parked.before-commit')],
  ['parked.after-commit', commandAt('parked.after-commit')],
])

const POSTGRES_SERVERS = ['monolith', 'pipeline', 'services'] as const

const streaming = (name: string, strike: Strike): FaultKind => ({ name, when: 'streaming', strike })

/** Load points in the order in which a beginning passes them. */
export const FAULT_KINDS: readonly FaultKind[] = [
  ...[...LOAD_POINTS].map(([point, perRoundMax]): FaultKind => ({ name: point, when: 'load', point, perRoundMax })),
  ...FAULT_POINTS.filter((point) => !LOAD_POINTS.has(point)).map((point) =>
    streaming(point, RARE_POINTS.get(point) ?? killAtPoint(point)),
  ),
  ...(['reader', 'relay', 'projector'] as const).map((process) => streaming(`kill-${process}`, killAtRandom(process))),
  ...POSTGRES_SERVERS.flatMap((server) => [
    streaming(`stop-${server}`, serverAway(server, 'stop')),
    streaming(`crash-${server}`, serverAway(server, 'kill9')),
  ]),
  streaming('stop-kafka', serverAway('kafka', 'stop')),
  streaming('crash-kafka', serverAway('kafka', 'kill9')),
  streaming('restart-registry', registryAway),
  ...SERVER_NAMES.filter((server) => server !== 'registry').flatMap((server) => [
    streaming(`cut-${server}`, connectionsCut(server)),
    streaming(`stall-${server}`, connectionsStalled(server)),
    streaming(`slow-${server}`, connectionsSlow(server)),
  ]),
  streaming('disk-full', diskFull),
  streaming('clock-step', clockStep),
  streaming('rebalance', rebalance),
  { name: 'slot-dropped', when: 'end' },
]

/**
 * Kinds by name or by what the name begins with: `kill` is all three of them, `relay.` every point of the relay.
 *
 * @throws Error that names what there is
 */
export function kindsNamed(names: readonly string[]): readonly FaultKind[] {
  const unknown = names.filter((name) => !FAULT_KINDS.some((kind) => kind.name.startsWith(name)))
  if (unknown.length > 0) {
    throw new Error(`no such fault: ${unknown.join(', ')}; there are ${FAULT_KINDS.map((kind) => kind.name).join(', ')}`)
  }
  // A whole name means that kind alone.
  const whole = new Set(FAULT_KINDS.map((kind) => kind.name))
  return FAULT_KINDS.filter((kind) => names.some((name) => (whole.has(name) ? kind.name === name : kind.name.startsWith(name))))
}
