/**
 * The metrics of a process, in a registry of its own. Names follow Prometheus: base units, `_total` on counters, no
 * unbounded labels. What a process does not know it does not publish: a gauge without a sample is left out.
 *
 * Values are pushed by the running engines and by a sampler; rendering never asks a server.
 */
import { Registry } from '@prometheus-io/client'
import { type CounterMetric, type GaugeMetric, type HistogramMetric, metricMaker } from './metric-maker.ts'

/** What the health endpoints ask of a process's metrics. */
export interface ServedMetrics {
  readonly contentType: string
  /** The text that `/metrics` answers. */
  render(): Promise<string>
  readonly healthStatus: GaugeMetric<'component' | 'check' | 'status'>
}

export interface Metrics extends ServedMetrics {
  readonly slotActive: GaugeMetric<'slot'>
  readonly slotRetainedWalBytes: GaugeMetric<'slot'>
  readonly slotUnconfirmedWalBytes: GaugeMetric<'slot'>
  readonly slotSafeWalBytes: GaugeMetric<'slot'>
  readonly sourceLagSeconds: GaugeMetric<'lane'>
  readonly readerConnected: GaugeMetric<'lane'>
  readonly readerEvents: CounterMetric<'lane'>
  readonly readerTransactions: CounterMetric<'lane'>
  readonly readerQueueBytes: GaugeMetric<'lane'>
  readonly readerQueueLimitBytes: GaugeMetric<'lane'>
  readonly snapshotRows: CounterMetric<'lane' | 'table'>
  readonly snapshotRemainingTables: GaugeMetric<'lane'>
  /** result: stored, newer (the stream has something newer) */
  readonly backfillRows: CounterMetric<'lane' | 'table' | 'result'>
  readonly backfillChunks: CounterMetric<'lane' | 'table'>
  readonly backfillSecondsLeft: GaugeMetric<'lane' | 'table'>
  readonly outboxPendingEvents: GaugeMetric<'lane'>
  readonly outboxOldestEventAgeSeconds: GaugeMetric<'lane'>
  readonly relayPublishedEvents: CounterMetric<'lane'>
  readonly relayPublishErrors: CounterMetric<'lane' | 'error_type'>
  readonly relayParkedEvents: GaugeMetric<'lane'>
  readonly projectorLagEvents: GaugeMetric<'projector' | 'lane'>
  readonly projectorLagSeconds: GaugeMetric<'projector' | 'lane'>
  /** result: applied, duplicate, skipped, parked */
  readonly projectorEvents: CounterMetric<'projector' | 'result'>
  readonly parkedEvents: GaugeMetric<'projector'>
  readonly projectorLaneStopped: GaugeMetric<'projector' | 'lane'>
  readonly endToEndLatencySeconds: HistogramMetric<'projector'>
  readonly engineRestarts: CounterMetric<'engine' | 'code'>
}

export interface MetricsOptions {
  readonly role: string
  readonly version: string
  readonly revision: string
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  const make = metricMaker(registry)
  make
    .gauge('build_info', 'Version of the process; always 1', ['version', 'revision', 'role'])
    .set({ version: options.version, revision: options.revision, role: options.role }, 1)
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    healthStatus: healthStatusGauge(make),
    slotActive: make.gauge('slot_active', '1 while a reader is connected to the slot', ['slot']),
    slotRetainedWalBytes: make.gauge('slot_retained_wal_bytes', 'WAL that the slot keeps, from its restart LSN', ['slot']),
    slotUnconfirmedWalBytes: make.gauge('slot_unconfirmed_wal_bytes', 'WAL after the confirmed LSN of the slot', ['slot']),
    slotSafeWalBytes: make.gauge('slot_safe_wal_bytes', 'WAL that may be written before the slot is lost', ['slot']),
    sourceLagSeconds: make.gauge('source_lag_seconds', 'Age of the last stored commit while later ones wait', ['lane']),
    readerConnected: make.gauge('reader_connected', '1 while the reader reads its slot', ['lane']),
    readerEvents: make.counter('reader_events_total', 'Events stored', ['lane']),
    readerTransactions: make.counter('reader_transactions_total', 'Source commits stored', ['lane']),
    readerQueueBytes: make.gauge('reader_queue_bytes', 'Bytes between socket and store', ['lane']),
    readerQueueLimitBytes: make.gauge(
      'reader_queue_limit_bytes',
      'Bytes from which on the reader pauses its socket; a chunk of a backfill comes on top',
      ['lane'],
    ),
    snapshotRows: make.counter('snapshot_rows_total', 'Rows stored by the initial load', ['lane', 'table']),
    snapshotRemainingTables: make.gauge('snapshot_remaining_tables', 'Tables that the initial load has left', ['lane']),
    backfillRows: make.counter('backfill_rows_total', 'Rows that backfills read, by result', ['lane', 'table', 'result']),
    backfillChunks: make.counter('backfill_chunks_total', 'Chunks that backfills stored', ['lane', 'table']),
    backfillSecondsLeft: make.gauge('backfill_left_seconds', 'Until a backfill has read its last row, as things go', [
      'lane',
      'table',
    ]),
    outboxPendingEvents: make.gauge('outbox_pending_events', 'Events stored and not published', ['lane']),
    outboxOldestEventAgeSeconds: make.gauge('outbox_oldest_event_age_seconds', 'Age of the oldest pending event', ['lane']),
    relayPublishedEvents: make.counter('relay_published_events_total', 'Events published', ['lane']),
    relayPublishErrors: make.counter('relay_publish_errors_total', 'Faults of the relay', ['lane', 'error_type']),
    relayParkedEvents: make.gauge('relay_parked_events', 'Events that could not be published, and those behind them', ['lane']),
    projectorLagEvents: make.gauge('projector_lag_events', 'Positions published and not applied', ['projector', 'lane']),
    projectorLagSeconds: make.gauge('projector_lag_seconds', 'Since the oldest event not applied was published', [
      'projector',
      'lane',
    ]),
    projectorEvents: make.counter('projector_events_total', 'Events met, by what became of them', ['projector', 'result']),
    parkedEvents: make.gauge('parked_events', 'Events that wait in the parking lot', ['projector']),
    projectorLaneStopped: make.gauge('projector_lane_stopped', '1 while too many events are refused to go on', [
      'projector',
      'lane',
    ]),
    endToEndLatencySeconds: make.histogram('end_to_end_latency_seconds', 'Source commit to applied', ['projector']),
    engineRestarts: make.counter('engine_restarts_total', 'Restarts of an engine after a fault', ['engine', 'code']),
  }
}

/** The gauge that `healthMetric` fills. */
export function healthStatusGauge(make: ReturnType<typeof metricMaker>): ServedMetrics['healthStatus'] {
  return make.gauge('health_status', '1 for the status that a check has, 0 for the others', ['component', 'check', 'status'])
}
