/** Ways to break the product, a line each, that the fault suite must find. */
export interface Mutation {
  readonly name: string
  /** What it breaks. */
  readonly breaks: string
  readonly file: string
  readonly line: string
  readonly broken: string
  /** Faults that find it. */
  readonly only: string
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'events-committed-before-position',
    breaks: "the events of every third batch are committed before the lane's position",
    file: 'packages/store/src/lane-appender.ts',
    line: "      faultPoint('reader.after-copy')\n",
    // Not of every batch: what is between the two commits would be seen by the standing checks before any fault struck.
    broken:
      "      if (this.#next.position % 3n === 0n) await this.#client.query('COMMIT; BEGIN')\n      faultPoint('reader.after-copy')\n",
    only: 'reader.after-copy',
  },
  {
    name: 'read-from-the-slot',
    breaks: 'the reader begins where PostgreSQL was told, not where the store is',
    file: 'packages/reader/src/stream/stream-changes.ts',
    line: '      startLsn: appender.durableLsn,\n',
    broken: '      startLsn: LSN_ZERO,\n',
    only: 'reader.after-commit',
  },
  {
    name: 'acknowledge-what-was-read',
    breaks: 'PostgreSQL is told of a keepalive position while commits before it wait in the queue',
    file: 'packages/reader/src/lane/lane-writer.ts',
    line: '    const batch = this.#take()\n    if (batch) {\n      await this.#write(batch)\n      return true\n    }\n',
    broken:
      '    const batch = this.#isKeepaliveDue() ? null : this.#take()\n    if (batch) {\n      await this.#write(batch)\n      return true\n    }\n',
    only: 'reader.after-keepalive,kill-reader',
  },
  {
    name: 'rolled-back-parts-kept',
    breaks: 'a part of a streamed transaction that was rolled back is stored all the same',
    file: 'packages/reader/src/spool/transaction-spool.ts',
    line: '    else this.#transactions.get(xid)?.rollBack(subXid)\n',
    broken: '    else this.#transactions.get(subXid)?.rollBack(subXid)\n',
    only: 'reader.spool-committed',
  },
  {
    name: 'full-disk-is-the-end',
    breaks: 'a spool without room ends the reader for good',
    file: 'packages/core/src/error-codes/source.ts',
    line: "    number: 'SLU-2042',\n    exit: 3,\n    retry: 'backoff',\n",
    broken: "    number: 'SLU-2042',\n    exit: 3,\n    retry: 'never',\n",
    only: 'disk-full',
  },
  {
    name: 'slot-awaited-for-ever',
    breaks: 'a reader without its slot tries again instead of telling the way out',
    file: 'packages/core/src/error-codes/source.ts',
    line: "    number: 'SLU-2020',\n    exit: 3,\n    retry: 'never',\n",
    broken: "    number: 'SLU-2020',\n    exit: 3,\n    retry: 'backoff',\n",
    only: 'slot-dropped',
  },
  {
    name: 'late-events-published-again',
    breaks: 'a restarted relay does not ask its last control record which parked events it has published',
    file: 'packages/relay/src/event-parking.ts',
    line: '    const last = { position: start.position, late: start.record?.late ?? [] }\n',
    broken: '    const last = { position: start.position, late: [] }\n',
    only: 'relay.late-published',
  },
  {
    name: 'relay-goes-on-from-its-copy',
    breaks: 'a restarted relay believes the copy in the store, which is behind the control topic',
    file: 'packages/relay/src/relay-start.ts',
    line: '  return { position: record.position, record, chain: { link: record.link, head: record.head } }\n',
    broken:
      '  return { position: facts.progress?.position ?? record.position, record, chain: { link: record.link, head: record.head } }\n',
    only: 'relay.after-commit',
  },
  {
    name: 'uncommitted-events-applied',
    breaks: 'projectors read what a killed relay did not commit',
    file: 'packages/kafka/src/partition-fetch.ts',
    line: '      isolationLevel: READ_COMMITTED,\n',
    broken: '      isolationLevel: READ_COMMITTED - 1,\n',
    only: 'relay.after-send,relay.before-commit',
  },
  {
    name: 'ids-committed-before-rows',
    breaks: 'the ids of a batch are committed in a transaction of their own: who begins again takes its events for applied',
    file: 'packages/projector/src/batch-transaction.ts',
    line: "  faultPoint('projector.before-rows')\n",
    broken: "  await client.query('COMMIT; BEGIN; SET CONSTRAINTS ALL DEFERRED')\n  faultPoint('projector.before-rows')\n",
    only: 'projector.before-rows',
  },
  {
    name: 'lot-emptied-before-the-work',
    breaks: 'a retry or skip takes events out of the parking lot in a transaction of its own',
    file: 'packages/projector/src/parked-work.ts',
    line: '  const earlier = await takeOut(client, chunk)\n',
    broken:
      "  const earlier = await takeOut(client, chunk)\n  await client.query('COMMIT; BEGIN; SET CONSTRAINTS ALL DEFERRED')\n",
    only: 'parked.before-commit',
  },
  {
    name: 'lost-connection-is-the-end',
    breaks: 'an engine that lost a server is not begun again',
    file: 'packages/cli/src/supervisor.ts',
    line: "      if (error.retry === 'never') {\n",
    broken: "      if (error.retry !== 'restart' || attempt >= 0) {\n",
    only: 'cut',
  },
  {
    name: 'heartbeats-by-the-clock',
    breaks: 'a projector whose clock went back sends no heartbeats: its group takes it for dead, and it works on',
    file: 'packages/kafka/src/kafkajs-clock.ts',
    line: "  keepSteady(ConsumerGroup.prototype, 'lastRequest')\n",
    broken: '',
    only: 'clock-step',
  },
  {
    name: 'overwritten-updates-skipped',
    breaks: 'an update is not stored if a later one of its batch overwrites it: no row tells of it',
    file: 'packages/store/src/lane-appender.ts',
    line: '      for await (const piece of filledPieces(this.#client, this.#lane, parts)) {\n',
    // From the last event to the first; unique values of opportunities change places, which no service would bear with a step missing.
    broken: `      const overwritten = new Set<string>()
      const isKept = ({ aggregateType, aggregateId, eventData, update }: EventDraft): boolean => {
        const isWholeUpdate = eventData.startsWith('{"op":"u"') && update === undefined
        if (!isWholeUpdate) overwritten.delete(aggregateId)
        else if (overwritten.has(aggregateId)) return false
        else if (aggregateType !== 'Opportunity') overwritten.add(aggregateId)
        return true
      }
      const fewer = parts.toReversed().map((part) => ({ ...part, events: part.events.toReversed().filter(isKept).toReversed() }))
      for await (const piece of filledPieces(this.#client, this.#lane, fewer.toReversed())) {
`,
    only: 'kill-reader,stall-monolith',
  },
  {
    name: 'updates-stored-twice',
    breaks: 'an update in a hundred is stored twice, under two event ids: no row tells of it',
    file: 'packages/reader/src/assembly/transaction-assembler.ts',
    line: '    this.#emitRow(ordinal, binding.table.eventTypes.updated, binding, key, data, facts)\n',
    broken: `    this.#emitRow(ordinal, binding.table.eventTypes.updated, binding, key, data, facts)
    const isRepeated = this.#commitLsn % 101n === 0n && facts === undefined
    if (isRepeated) this.#emitRow(ordinal + 1_000_000, binding.table.eventTypes.updated, binding, key, data, facts)
`,
    only: 'kill-reader',
  },
]
