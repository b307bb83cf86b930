/** What of an engine's own report shows that it does its work, or that it can not for now: what readiness is made of. */
import { toSluiceError } from '@sluice/core'
import type { OnProjectorProgress } from '@sluice/projector'
import type { OnReaderProgress } from '@sluice/reader'
import type { OnRelayProgress } from '@sluice/relay'
import type { EngineSigns } from './supervisor.ts'

/** A reader works once it loads or its slot is read; that it looked at its lane (`phase`) is no work yet. */
export function readerSigns(signs: EngineSigns): OnReaderProgress {
  return ({ kind }) => {
    if (kind !== 'phase' && kind !== 'context-refused') signs.progress()
  }
}

/** A relay works once no older one can publish in its lane any more. */
export function relaySigns(signs: EngineSigns): OnRelayProgress {
  return ({ kind }) => {
    if (kind !== 'refused') signs.progress()
  }
}

/**
 * A projector that stands by for another does its work; one whose service database is away waits by itself, and so does one that
 * has a lane which stands still because too many events are refused, whatever its other lanes do.
 */
export function projectorSigns(signs: EngineSigns): OnProjectorProgress {
  const stoppedLanes = new Set<string>()
  return (progress) => {
    switch (progress.kind) {
      case 'retrying': {
        signs.trouble(toSluiceError(progress.error))
        return
      }
      case 'lane-stopped': {
        stoppedLanes.add(progress.laneName)
        signs.trouble(progress.error)
        return
      }
      case 'lane-resumed': {
        stoppedLanes.delete(progress.laneName)
        break
      }
      case 'active':
      case 'standby': {
        stoppedLanes.clear()
        break
      }
      case 'applied':
      case 'parked':
      case 'standing':
      case 'buffered':
        break
    }
    if (stoppedLanes.size === 0) signs.progress()
  }
}
