/**
 * Flags of the Node process that a `sluice run` is. V8's young generation grows to three times 32 MiB by default, which a
 * stream of short-lived rows fills at once; with 8 MiB a reader took 100 MiB less and no more time.
 */
export const NODE_FLAGS = ['--max-semi-space-size=8'] as const
