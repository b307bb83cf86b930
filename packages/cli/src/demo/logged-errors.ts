/** Errors that a child wrote into its log: an engine that failed does not end a process that has others. */
import { z } from 'zod'

const ErrorLine = z.object({
  level: z.literal('error'),
  error: z.object({ code: z.string(), what: z.string(), why: z.string() }),
})

/** One text for each line of level `error`, the oldest first. @param log JSON lines, among them what a process wrote otherwise */
export function loggedErrors(log: string): readonly string[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      const parsed = ErrorLine.safeParse(jsonOf(line))
      return parsed.success ? [`${parsed.data.error.code} ${parsed.data.error.what}: ${parsed.data.error.why}`] : []
    })
}

/** undefined for a line that was cut off. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
