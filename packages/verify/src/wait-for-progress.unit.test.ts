import { expect, test } from 'vitest'
import { waitForProgress } from './wait-for-progress.ts'

const wait = { pollMs: 1, totalMs: 10_000, tooLate: (state: number) => new Error(`stands at ${state}`) }

test('a stage that moves may take longer than one that stands', async () => {
  let at = 0
  const look = async (): Promise<number> => (at += 1)
  const { signal } = new AbortController()
  await expect(waitForProgress({ ...wait, look, isReached: (s) => s >= 50, measure: String, stallMs: 30, signal })).resolves.toBe(
    50,
  )
})

test('a stage that stands is given up with where it stands', async () => {
  const { signal } = new AbortController()
  const standing = waitForProgress({ ...wait, look: async () => 7, isReached: () => false, measure: String, stallMs: 20, signal })
  await expect(standing).rejects.toThrow('stands at 7')
})

test('a stage that moves for ever is given up after the whole time', async () => {
  let at = 0
  const look = async (): Promise<number> => (at += 1)
  const { signal } = new AbortController()
  const moving = waitForProgress({ ...wait, look, isReached: () => false, measure: String, stallMs: 1_000, totalMs: 30, signal })
  await expect(moving).rejects.toThrow(/stands at/)
})

test('an abort ends the wait with its reason', async () => {
  const reason = new Error('stop')
  const stopped = AbortSignal.abort(reason)
  const aborted = waitForProgress({
    ...wait,
    look: async () => 1,
    isReached: () => false,
    measure: String,
    stallMs: 1_000,
    signal: stopped,
  })
  await expect(aborted).rejects.toBe(reason)
})
