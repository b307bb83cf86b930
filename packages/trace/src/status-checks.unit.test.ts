import { serializeError } from '@sluice/core'
import type { ParkedMessageCount } from '@sluice/store'
import { expect, test } from 'vitest'
import { statusChecks } from './status-checks.ts'
import type { StoreStatus } from './status-report.ts'

const unknown = { value: null, error: serializeError(new Error('not asked')) }

function parkedMessagesCheck(parkedMessages: ParkedMessageCount): unknown {
  const store: StoreStatus = {
    phase: 'streaming',
    position: 9n,
    link: 1n,
    storedLsn: '0/1',
    durableLsn: '0/1',
    lastCommitAt: null,
    updatedAt: '2026-01-01T00:00:00.000Z',
    load: [],
    loadSecondsLeft: null,
    backfills: [],
    parkedMessages,
  }
  const lane = { lane: 'monolith', source: unknown, store: { value: store, error: null }, readerLag: null, relay: unknown }
  return statusChecks({ lanes: [lane], services: [] }).find(({ name }) => name === 'monolith.parked_messages')
}

test('messages that Sluice does not know are told with their kinds; without any there is no check', () => {
  expect(parkedMessagesCheck({ messages: 0, kinds: [] })).toBeUndefined()
  expect(parkedMessagesCheck({ messages: 3, kinds: ['~', String.raw`\x03`] })).toMatchObject({
    status: 'warning',
    summary: String.raw`PostgreSQL sent 3 messages that this version of Sluice does not know, of kind ~, \x03`,
  })
})
