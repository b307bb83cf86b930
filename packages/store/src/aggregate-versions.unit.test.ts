import type { Uuid } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AggregateVersions } from './aggregate-versions.ts'

test('gives each aggregate its versions in order, after what its head had', () => {
  const names = fc.record({
    aggregateType: fc.constantFrom('A', 'B'),
    aggregateId: fc.constantFrom('1', '2', '3').map((id) => id as Uuid),
  })
  fc.assert(
    fc.property(fc.array(names, { minLength: 1 }), fc.nat(1000), (events, before) => {
      const versions = new AggregateVersions()
      for (const event of events) versions.add({ ...event, eventData: '{"op":"e"}' })
      const [ids, types, typeNumbers, counts] = versions
        .parameters()
        .map((p) => (typeof p === 'string' ? p.slice(1, -1).split(',') : p))
      expect(ids).toHaveLength(typeNumbers!.length)
      versions.setLast(counts!.map((count) => before + Number(count)))
      const seen = new Map<string, number>()
      for (const { aggregateType, aggregateId } of events) {
        const key = `${aggregateType}/${aggregateId}`
        const version = (seen.get(key) ?? before) + 1
        seen.set(key, version)
        expect(versions.take()).toBe(version)
      }
      const asked = ids!.map((id, i) => `${types![Number(typeNumbers![i]) - 1] ?? ''}/${id}`)
      expect(asked).toEqual([...seen.keys()])
    }),
  )
})

test('refuses an answer that is not for these aggregates', () => {
  const versions = new AggregateVersions()
  versions.add({ aggregateType: 'A', aggregateId: '1' as Uuid, eventData: '{"op":"t"}' })
  expect(() => versions.setLast([])).toThrow('1 aggregates were asked for, 0 heads came back')
})
