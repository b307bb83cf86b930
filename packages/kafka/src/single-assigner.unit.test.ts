import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { chooseOwner } from './single-assigner.ts'

const { MemberMetadata } = kafkajs.AssignerProtocol

function member(memberId: string, sinceMs: number) {
  const userData = Buffer.alloc(8)
  userData.writeBigInt64BE(BigInt(sinceMs))
  return { memberId, memberMetadata: MemberMetadata.encode({ version: 1, topics: ['t'], userData }) }
}

test('who has the partitions keeps them', () => {
  expect(chooseOwner([member('a', 0), member('b', 1_700_000_000_000), member('c', 0)])).toBe('b')
})

test('of two who claim them, the later one has them: the other missed that it lost them', () => {
  expect(chooseOwner([member('a', 1_700_000_000_000), member('b', 1_700_000_000_001)])).toBe('b')
})

test('without a claim every leader chooses the same', () => {
  expect(chooseOwner([member('b', 0), member('a', 0)])).toBe('a')
  expect(chooseOwner([member('a', 0), member('b', 0)])).toBe('a')
  expect(chooseOwner([])).toBeUndefined()
})
