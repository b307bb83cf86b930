/**
 * Awaits a state of another process that sends no event we could await: asks every 50 ms, bounded.
 *
 * @throws Error naming what was awaited and the last answer.
 */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined | false | null>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer) return answer
      last = answer
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; the last answer was: ${String(last)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
