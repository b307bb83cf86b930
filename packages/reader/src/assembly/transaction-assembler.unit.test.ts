import { type EventDraft, parseUuid, silentLogger } from '@sluice/core'
import type { Relation, TransactionMessage, Tuple } from '@sluice/pgoutput'
import { postgresTarget } from '@sluice/postgres'
import { Capture } from '@sluice/privacy'
import { type LaneDefinition, bigint, table, text, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { BatchQueue } from '../lane/batch-queue.ts'
import { createRelationBinder } from './relation-binding.ts'
import { SourceTypes } from '../source/source-types.ts'
import { TransactionAssembler } from './transaction-assembler.ts'

const EPOCH = parseUuid('0d3c1c1e-53a9-4a39-9a2e-0a6b7d8f1c22')
const BIGINT = 20
const TEXT = 25
const MOOD = 70_000

const customers = table('customers', {
  columns: { id: bigint(), name: text() },
  key: ['id'],
  aggregate: 'Customer',
  topic: topic('t'),
})
const LANE: LaneDefinition = {
  name: 'monolith',
  source: 'monolith',
  tables: [customers],
  outbox: null,
  slotName: 's',
  publicationName: 'p',
}

function relation(columns: Record<string, number>): Relation {
  const named = Object.entries(columns).map(([name, typeOid]) => ({ name, isIdentity: name === 'id', typeOid, typeModifier: -1 }))
  return { oid: 1, schema: 'public', name: 'customers', replicaIdentity: 'default', columns: named }
}

const insert = (as: Relation, after: Tuple): TransactionMessage => ({ kind: 'insert', relation: as, after })

/** The events of one transaction. */
async function eventsOf(messages: readonly TransactionMessage[]): Promise<readonly EventDraft[]> {
  const queue = new BatchQueue({ batchEventsMax: 100, batchBytesMax: 1_000_000 })
  const types = new SourceTypes([
    [BIGINT, 'bigint'],
    [TEXT, 'text'],
  ])
  const pipeline = postgresTarget('pipeline', 'postgresql://localhost/none')
  const capture = await Capture.open({ system: 't', tables: LANE.tables, pipeline, master: null, applicationName: 'test' })
  const assembler = new TransactionAssembler({
    epoch: EPOCH,
    sourceEpoch: EPOCH,
    bind: createRelationBinder({ lane: LANE, types, capture, catalog: new Map(), logger: silentLogger }),
    types,
    sink: queue,
    loadedPart: null,
    watch: null,
    onEmptyCommit: () => undefined,
    onContextRefused: () => undefined,
    keepsUnknown: true,
    onUnknown: () => undefined,
  })
  assembler.handle({ kind: 'begin', commitLsn: 1n, committedAtMicros: 0n, xid: 1 }, '0/1')
  for (const message of messages) assembler.handle(message, '0/1')
  assembler.handle({ kind: 'commit', commitLsn: 1n, endLsn: 2n, committedAtMicros: 0n }, '0/1')
  return queue.take()!.parts.flatMap((part) => part.events)
}

test('within a transaction each change is judged by the relation before it, and told by the types that the stream names', async () => {
  const [fits, renamed, retyped] = [
    relation({ id: BIGINT, name: TEXT }),
    relation({ id: BIGINT, title: TEXT }),
    relation({ id: BIGINT, name: MOOD }),
  ]
  const events = await eventsOf([
    { kind: 'relation', relation: fits },
    insert(fits, ['1', 'a']),
    { kind: 'relation', relation: renamed },
    insert(renamed, ['2', 'b']),
    { kind: 'type', oid: MOOD, schema: 'public', name: 'mood' },
    { kind: 'relation', relation: retyped },
    insert(retyped, ['3', 'calm']),
    { kind: 'relation', relation: fits },
    insert(fits, ['4', 'd']),
  ])
  expect(events.map((event) => [event.eventData, event.sentColumns])).toEqual([
    ['{"op":"c","after":{"id":"1","name":"a"}}', undefined],
    ['{"op":"c","after":{"id":"2","title":"b"}}', { id: 'bigint', title: 'text' }],
    ['{"op":"c","after":{"id":"3","name":"calm"}}', { id: 'bigint', name: 'public.mood' }],
    ['{"op":"c","after":{"id":"4","name":"d"}}', undefined],
  ])
})
