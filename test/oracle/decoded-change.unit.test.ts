import { expect, test } from 'vitest'
import { type CapturedNames, changesOfLine } from './decoded-change.ts'

const NAMES: CapturedNames = {
  tables: new Map([
    ['public.proposals', { aggregate: 'Proposal', key: 'id' }],
    ['auth.users', { aggregate: 'User', key: 'id' }],
  ]),
  outbox: 'public.outbox',
}
const changes = (line: string): unknown => changesOfLine(line, NAMES)

test('an insert, an update, a delete, each under its key', () => {
  expect(changes("table public.proposals: INSERT: id[uuid]:'a-1' tags[text[]]:'{\"id[x]:9\"}' price[numeric]:null")).toEqual([
    { aggregate: 'Proposal', op: 'c', key: 'a-1', newKey: null },
  ])
  expect(changes('table auth.users: UPDATE: id[bigint]:12 name[text]:unchanged-toast-datum')).toEqual([
    { aggregate: 'User', op: 'u', key: '12', newKey: '12' },
  ])
  expect(changes("table auth.users: DELETE: id[uuid]:'it''s'")).toEqual([
    { aggregate: 'User', op: 'd', key: "it's", newKey: null },
  ])
})

test('an update that changed the key has both', () => {
  expect(
    changes("table public.proposals: UPDATE: old-key: id[uuid]:'a' new-tuple: id[uuid]:'b' title[text]:'x new-tuple: y'"),
  ).toEqual([{ aggregate: 'Proposal', op: 'u', key: 'a', newKey: 'b' }])
})

test('a truncate is a change of each table that is captured', () => {
  expect(changes('table public.proposals, public.other, auth.users: TRUNCATE: restart_seqs cascade')).toEqual([
    { aggregate: 'Proposal', op: 't', key: '', newKey: null },
    { aggregate: 'User', op: 't', key: '', newKey: null },
  ])
})

test('an insert into the outbox is an event of the application, and nothing else of it is', () => {
  const row = "id[uuid]:'1' aggregate_type[text]:'Review' aggregate_id[text]:'r 7' event_type[text]:'asked'"
  expect(changes(`table public.outbox: INSERT: ${row}`)).toEqual([{ aggregate: 'Review', op: 'e', key: 'r 7', newKey: null }])
  expect(changes("table public.outbox: DELETE: id[uuid]:'1'")).toEqual([])
})

test('other tables, messages and marks of transactions are passed', () => {
  expect(changes('table public.migrations: INSERT: id[integer]:1')).toEqual([])
  expect(changes('message: transactional: 1 prefix: sluice.context, sz: 2 content:{}')).toEqual([])
  expect(changes('COMMIT')).toEqual([])
})

test('a captured row without its key is not passed over in silence', () => {
  expect(() => changes('table public.proposals: DELETE: (no-tuple-data)')).toThrow(/told no id/)
})
