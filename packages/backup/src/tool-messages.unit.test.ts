import { expect, test } from 'vitest'
import { ToolMessages, type ToolStep } from './tool-messages.ts'

function read(...chunks: readonly string[]): { errors: readonly string[]; steps: readonly ToolStep[] } {
  const steps: ToolStep[] = []
  const messages = new ToolMessages((step) => steps.push(step))
  for (const chunk of chunks) messages.take(chunk)
  return { errors: messages.errors, steps }
}

test('the tables that are begun are told by their names, wherever a chunk ends', () => {
  const text =
    'pg_dump: saving encoding = UTF8\npg_dump: dumping contents of table "public.a"\npg_dump: dumping contents of table "public.b"\n'
  expect(read(text.slice(0, 50), text.slice(50, 60), text.slice(60)).steps).toEqual([
    { kind: 'rows', table: 'public.a' },
    { kind: 'rows', table: 'public.b' },
  ])
  expect(read('pg_restore: processing data for table "public.a"\n').steps).toEqual([{ kind: 'rows', table: 'public.a' }])
})

test('what is made after the rows is told: indexes, keys and foreign keys, and nothing that takes no time', () => {
  const made = ['INDEX "public.a_name"', 'CONSTRAINT "public.a a_pkey"', 'FK CONSTRAINT "public.a a_b_fkey"']
  const quick = [
    'TABLE "public.a"',
    'CHECK CONSTRAINT "public.a a_check"',
    'INDEX ATTACH "public.a_1_pkey"',
    'TRIGGER "public.a t"',
  ]
  const { steps } = read(...[...made, ...quick].map((what) => `pg_restore: creating ${what}\n`))
  expect(steps).toEqual([{ kind: 'index' }, { kind: 'index' }, { kind: 'index' }])
})

test('an error is kept, and nothing of what row it was about', () => {
  const { errors } = read(
    [
      'pg_restore: while PROCESSING TOC:',
      'pg_restore: error: COPY failed for table "people": ERROR:  invalid input syntax for type integer: "PLANTED"',
      'CONTEXT:  COPY people, line 1, column age: "PLANTED"',
      'pg_restore: error: could not execute query: ERROR:  could not create unique index "people_email"',
      'DETAIL:  Key (email)=(PLANTED) is duplicated.',
      "Command was: ALTER TABLE people ADD CONSTRAINT planted CHECK (name <> 'PLANTED');",
      'pg_restore: error: could not execute query: ERROR:  invalid input syntax for type uuid: "PLANTED"',
      'pg_restore: error: could not execute query: ERROR:  role "crm_app" does not exist',
      '',
    ].join('\n'),
  )
  expect(errors).toEqual([
    'COPY failed for table "people"',
    'could not execute query: ERROR:  could not create unique index "people_email"',
    'could not execute query: ERROR:  invalid input syntax for type uuid: …',
    'could not execute query: ERROR:  role "crm_app" does not exist',
  ])
})

test('a line without an end takes no more than its bound, and what follows it is read', () => {
  expect(read('x'.repeat(1_000_000), 'x'.repeat(1_000_000), '\npg_dump: error: no space\n').errors).toEqual(['no space'])
})
