import { expect, test } from 'vitest'
import { untilLed } from './leader-wait.ts'

function refusal(type: string): Error {
  return Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type })
}

test('a broker that does not lead the partition yet is asked again', async () => {
  const attempts: number[] = []
  const answer = await untilLed((attempt) => {
    attempts.push(attempt)
    if (attempt === 1) return Promise.reject(refusal('NOT_LEADER_FOR_PARTITION'))
    if (attempt === 2) return Promise.reject(new Error('in an error of ours', { cause: refusal('LEADER_NOT_AVAILABLE') }))
    return Promise.resolve('led')
  })
  expect(answer).toBe('led')
  expect(attempts).toEqual([1, 2, 3])
})

test('what has nothing to do with leaders is told at once', async () => {
  let attempts = 0
  const asked = untilLed(() => {
    attempts += 1
    return Promise.reject(refusal('TOPIC_AUTHORIZATION_FAILED'))
  })
  await expect(asked).rejects.toMatchObject({ type: 'TOPIC_AUTHORIZATION_FAILED' })
  expect(attempts).toBe(1)
})
