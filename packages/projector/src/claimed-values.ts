/**
 * Values that messages only claim (decision 0018): read from the pipeline database when their events take effect.
 *
 * V1  Held are at most `HELD_BYTES_MAX` of them, or those of one event that has more: events are opened in runs, and let go after each.
 * V2  A value is used only if it has the length and the hash that its message names. An event whose value is missing, or another, is
 *     refused for good; where the pipeline database can not be asked, the whole transaction is tried again later.
 * V3  Read is what a projection of the service reads, nothing else.
 */
import { CLAIM_READER_ROLE, type Claim, SluiceError, boundedParts, isClaimed } from '@sluice/core'
import { type PostgresTarget, RoleConnection } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import { revealRows } from './granted-rows.ts'
import type { ProjectionPlan, TableRoute } from './projection-plan.ts'
import type { Refusal } from './refusal.ts'
import { textArray } from './text-array.ts'

/** A stretch of events with their values, or one whose value can not be had. */
export type OpenedEvents =
  | { readonly kind: 'ready'; readonly items: readonly BatchEvent[] }
  | { readonly kind: 'refused'; readonly item: BatchEvent; readonly refusal: Refusal }

/** Gives events their values, in order. */
export type EventOpener = (items: readonly BatchEvent[]) => AsyncIterable<OpenedEvents>

const HELD_BYTES_MAX = 16 * 1024 * 1024
/** The service's transaction waits meanwhile. */
const STATEMENT_TIMEOUT_MS = 60_000
/** How much longer a statement's end is awaited: what says nothing then is a broken connection. */
const SILENCE_MS = 10_000

export class ClaimedValues {
  readonly #service: string
  readonly #connection: RoleConnection | null

  /** @param target The pipeline database; null where it was not named, which matters only once there is a claim. */
  constructor(target: PostgresTarget | null, service: string) {
    this.#service = service
    const options = {
      applicationName: `sluice projector ${service}`,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      answerTimeoutMs: STATEMENT_TIMEOUT_MS + SILENCE_MS,
    }
    this.#connection = target && new RoleConnection(target, CLAIM_READER_ROLE, options)
  }

  /**
   * @param client The service's transaction, in which granted columns are opened once they are there.
   * @throws SluiceError SLU-5041 if the pipeline database was not named; SLU-2001 to SLU-2004 of it
   */
  opener(client: ClientBase, plan: ProjectionPlan): EventOpener {
    return (items) => this.#open(client, plan, items)
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }

  async *#open(client: ClientBase, plan: ProjectionPlan, items: readonly BatchEvent[]): AsyncGenerator<OpenedEvents> {
    if (!items.some(({ event }) => event.claims !== undefined)) {
      yield { kind: 'ready', items }
      return
    }
    for (const run of runsOf(items)) {
      const texts = await this.#read(run.flatMap(claimsRead))
      let ready: BatchEvent[] = []
      for (const item of run) {
        const missing = claimsRead(item).find(({ claimId }) => !texts.has(claimId))
        if (missing === undefined) {
          ready.push(item)
          continue
        }
        if (ready.length > 0) yield { kind: 'ready', items: await opened(client, plan, ready, texts) }
        ready = []
        yield { kind: 'refused', item, refusal: refusalOf(item, missing) }
      }
      if (ready.length > 0) yield { kind: 'ready', items: await opened(client, plan, ready, texts) }
    }
  }

  /** Texts by claim; one that is missing or another is left out. */
  async #read(claims: readonly Claim[]): Promise<ReadonlyMap<string, string>> {
    const texts = new Map<string, string>()
    for (const group of boundedParts(claims, (claim) => claim.bytes, { bytesMax: HELD_BYTES_MAX })) {
      const byId = new Map(group.map((claim) => [claim.claimId, claim]))
      for (const { id, value } of await this.#query([...byId.keys()])) {
        const claim = byId.get(id)
        if (claim && isClaimed(claim, value)) texts.set(id, value)
      }
    }
    return texts
  }

  async #query(ids: readonly string[]): Promise<readonly { readonly id: string; readonly value: string }[]> {
    if (this.#connection === null) throw notNamed(this.#service)
    return this.#connection.use(async (client) => {
      const { rows } = await client.query<{ id: string; value: string }>(
        'SELECT claim_id::text AS id, value FROM public.claims WHERE claim_id = ANY ($1::uuid[])',
        [textArray(ids)],
      )
      return rows
    })
  }
}

/** The events with their values in place; what the service is granted of these is opened. */
async function opened(
  client: ClientBase,
  plan: ProjectionPlan,
  items: readonly BatchEvent[],
  texts: ReadonlyMap<string, string>,
): Promise<readonly BatchEvent[]> {
  const filled = items.map((item) => (item.event.claims === undefined ? item : filledIn(item, texts)))
  return revealRows(client, plan, filled, (item) => item.unopened !== undefined)
}

function filledIn(item: BatchEvent, texts: ReadonlyMap<string, string>): BatchEvent {
  const { claims = [], ...event } = item.event
  const rows = { before: event.before && { ...event.before }, after: event.after && { ...event.after } }
  for (const { claimId, row, column } of claims) {
    const text = texts.get(claimId)
    const into = rows[row]
    if (text !== undefined && into) into[column] = text
  }
  return { ...item, event: { ...event, ...rows }, unopened: item }
}

/** What the event's projections read of its claims. A handler may read everything. */
function claimsRead({ event, route }: BatchEvent): readonly Claim[] {
  const { claims, op, after } = event
  if (claims === undefined || route?.kind !== 'table') return []
  if (route.table.handlers.length > 0) return claims
  const columns = columnsRead(route.table)
  const isInAfter = (column: string): boolean =>
    after?.[column] !== undefined || claims.some((claim) => claim.row === 'after' && claim.column === column)
  // Of the old row mappings take only what the new one lacks.
  return claims.filter(({ row, column }) => columns.has(column) && (row === 'after' || (op === 'u' && !isInAfter(column))))
}

const columnsOfTables = new WeakMap<TableRoute, ReadonlySet<string>>()

function columnsRead(table: TableRoute): ReadonlySet<string> {
  let columns = columnsOfTables.get(table)
  if (columns === undefined) {
    const sunk = Object.values(table.sink?.columns ?? {}).flatMap((from) => (from.kind === 'column' ? [from.name] : []))
    const mapped = table.targets.flatMap((target) => target.mappings.flatMap((mapping) => mapping.columnsRead))
    columns = new Set([...mapped, ...sunk])
    columnsOfTables.set(table, columns)
  }
  return columns
}

function runsOf(items: readonly BatchEvent[]): Iterable<readonly BatchEvent[]> {
  const bytesOf = (item: BatchEvent): number => claimsRead(item).reduce((sum, claim) => sum + claim.bytes, 0)
  return boundedParts(items, bytesOf, { bytesMax: HELD_BYTES_MAX })
}

function refusalOf({ route }: BatchEvent, { claimId, column }: Claim): Refusal {
  const table = route?.kind === 'table' ? route.table : null
  const [target] = table?.targets ?? []
  return {
    code: 'SLU-5040',
    projection: target?.mappings[0]?.mapping.name ?? table?.handlers[0]?.name ?? '',
    sqlState: null,
    table: target?.name ?? null,
    column,
    constraint: null,
    message: `its value of column ${column} is claim ${claimId}, and table claims of the pipeline database does not have it, or has another value there`,
  }
}

function notNamed(service: string): SluiceError {
  return new SluiceError('CLAIMS_NOT_NAMED', {
    what: `service "${service}" meets an event that claims a value, and does not know the pipeline database`,
    why: 'neither SLUICE_CLAIMS_URL nor SLUICE_PIPELINE_URL is set, and the value was too large for its message',
    ways: [
      "export SLUICE_CLAIMS_URL='postgresql://user:password@host:5432/database'    the pipeline database, as a role with: GRANT sluice_claims TO user",
    ],
  })
}
