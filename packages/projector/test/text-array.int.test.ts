import fc from 'fast-check'
import { expect, test } from 'vitest'
import { textArray } from '../src/text-array.ts'
import { Shop } from './projector-fixture.ts'

test('PostgreSQL reads back what was written', async () => {
  await using shop = await Shop.open()
  const text = fc.string({ unit: 'binary' }).map((s) => s.toWellFormed().replaceAll('\u0000', ''))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text), { minLength: 1 }), async (values) => {
      const { rows } = await shop.client.query<{ value: string | null }>('SELECT unnest($1::text[]) AS value', [
        textArray(values),
      ])
      expect(rows.map((r) => r.value)).toEqual(values)
    }),
  )
})
