/**
 * An appender that seals encrypted values on their way to the store: between the memory of the reader, where the socket's
 * handler put them, and the first byte that is written. Here waiting for the pipeline database is allowed.
 */
import type { Capture } from '@sluice/privacy'
import type { EventAppender } from '@sluice/store'

export function sealingAppender(appender: EventAppender, capture: Capture): EventAppender {
  if (!capture.seals) return appender
  return {
    append: async (parts, alongside) => {
      // One question for the subjects of the whole batch.
      const sealed = await capture.seal(parts.flatMap((part) => part.events))
      let at = 0
      return appender.append(
        parts.map((part) => ({ ...part, events: sealed.slice(at, (at += part.events.length)) })),
        alongside,
      )
    },
    recordKeepalive: (lsn) => appender.recordKeepalive(lsn),
    transact: (work) => appender.transact(work),
    get position() {
      return appender.position
    },
    get durableLsn() {
      return appender.durableLsn
    },
    close: () => appender.close(),
  }
}
