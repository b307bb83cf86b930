/** Ends of waiting. */

/** How long a batch that is being written may take after a stop; then it is abandoned, and read again later. */
export const STOP_GRACE_MS = 5_000

/** Resolves when the signal aborts. */
export async function abortOf(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve()
      },
      { once: true },
    )
  })
}

/** Waits until a promise is settled either way, but no longer than `ms`. */
export async function settleWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    await Promise.race([Promise.allSettled([promise]), late])
  } finally {
    clearTimeout(timer)
  }
}
