/** Turns what engines report of themselves into metrics. Nothing here waits or asks a server. */
import type { OnProjectorProgress } from '@sluice/projector'
import type { OnReaderProgress } from '@sluice/reader'
import type { OnRelayProgress } from '@sluice/relay'
import type { Metrics } from '@sluice/telemetry'

export function readerMetrics(metrics: Metrics, lane: string): OnReaderProgress {
  let tablesLeft = 0
  const setTablesLeft = (tables: number): void => {
    tablesLeft = tables
    metrics.snapshotRemainingTables.set({ lane }, tables)
  }
  metrics.readerConnected.set({ lane }, 0)
  return (progress) => {
    switch (progress.kind) {
      case 'load-started': {
        setTablesLeft(progress.tables)
        return
      }
      case 'chunk': {
        metrics.readerEvents.add({ lane }, progress.rows)
        metrics.snapshotRows.add({ lane, table: progress.table }, progress.rows)
        return
      }
      case 'table-loaded': {
        setTablesLeft(Math.max(0, tablesLeft - 1))
        return
      }
      case 'phase': {
        if (progress.phase === 'streaming') setTablesLeft(0)
        return
      }
      case 'connected': {
        metrics.readerConnected.set({ lane }, 1)
        return
      }
      case 'stored': {
        metrics.readerEvents.add({ lane }, progress.events)
        metrics.readerTransactions.add({ lane }, progress.commits)
        return
      }
      case 'backfill-chunk': {
        const { table, rowsStored, rowsDropped } = progress
        metrics.backfillChunks.add({ lane, table }, 1)
        metrics.backfillRows.add({ lane, table, result: 'stored' }, rowsStored)
        metrics.backfillRows.add({ lane, table, result: 'newer' }, rowsDropped)
        return
      }
      case 'backfill': {
        const { table, secondsLeft } = progress
        if (secondsLeft === null) metrics.backfillSecondsLeft.clear({ lane, table })
        else metrics.backfillSecondsLeft.set({ lane, table }, secondsLeft)
        return
      }
      case 'queue': {
        metrics.readerQueueBytes.set({ lane }, progress.bytes)
        metrics.readerQueueLimitBytes.set({ lane }, progress.limitBytes)
        return
      }
      case 'keepalive':
      case 'feedback':
      case 'spool':
      case 'read-again':
      case 'message-parked':
      case 'context-refused':
        return
    }
  }
}

export function relayMetrics(metrics: Metrics, lane: string): OnRelayProgress {
  return (progress) => {
    if (progress.kind === 'published') metrics.relayPublishedEvents.add({ lane }, progress.events)
  }
}

export interface ProjectorMetrics {
  readonly onProgress: OnProjectorProgress
  /** To be called when a run of the projector has ended, however it did. */
  readonly ended: () => void
}

export function projectorMetrics(
  metrics: Metrics,
  projector: string,
  setStandby: (isStandby: boolean) => void,
): ProjectorMetrics {
  const stoppedLanes = new Set<string>()
  // A lane stands still for one assignment; who has the partitions next finds out anew, and who has ended knows nothing of it.
  const forgetStoppedLanes = (): void => {
    for (const lane of stoppedLanes) metrics.projectorLaneStopped.clear({ projector, lane })
    stoppedLanes.clear()
  }
  const onProgress: OnProjectorProgress = (progress) => {
    switch (progress.kind) {
      case 'standby': {
        setStandby(true)
        forgetStoppedLanes()
        return
      }
      case 'active': {
        setStandby(false)
        forgetStoppedLanes()
        return
      }
      case 'applied': {
        metrics.projectorEvents.add({ projector, result: 'applied' }, progress.applied)
        metrics.projectorEvents.add({ projector, result: 'duplicate' }, progress.duplicates)
        metrics.projectorEvents.add({ projector, result: 'parked' }, progress.parked)
        metrics.projectorEvents.add({ projector, result: 'skipped' }, progress.skipped)
        metrics.projectorLaneStopped.set({ projector, lane: progress.laneName }, 0)
        if (progress.committedAtMicros === null) return
        const seconds = Date.now() / 1000 - Number(progress.committedAtMicros) / 1e6
        metrics.endToEndLatencySeconds.observe({ projector }, Math.max(0, seconds))
        return
      }
      case 'lane-stopped': {
        stoppedLanes.add(progress.laneName)
        metrics.projectorLaneStopped.set({ projector, lane: progress.laneName }, 1)
        return
      }
      case 'lane-resumed':
      case 'parked':
      case 'standing':
      case 'buffered':
      case 'retrying':
        return
    }
  }
  return { onProgress, ended: forgetStoppedLanes }
}
