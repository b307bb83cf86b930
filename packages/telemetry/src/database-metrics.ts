/** Metrics of an application's service databases: what its pools hold, how its queries go, how far replicas are behind. */
import { Registry } from '@prometheus-io/client'
import { type CounterMetric, type GaugeMetric, type HistogramMetric, metricMaker } from './metric-maker.ts'
import { type ServedMetrics, healthStatusGauge } from './metrics.ts'

/** server: primary, replica_1, replica_2 and so on */
type Pool = 'service' | 'server'

export interface DatabaseMetrics extends ServedMetrics {
  /** state: borrowed, idle */
  readonly poolConnections: GaugeMetric<Pool | 'state'>
  readonly poolConnectionsMax: GaugeMetric<Pool>
  readonly poolUtilisation: GaugeMetric<Pool>
  readonly poolWaiting: GaugeMetric<Pool>
  readonly poolExhausted: CounterMetric<Pool>
  readonly querySeconds: HistogramMetric<Pool>
  /** kind: timeout, connection, refused */
  readonly queryErrors: CounterMetric<Pool | 'kind'>
  /** outcome: committed, rolled_back, unknown */
  readonly transactions: CounterMetric<Pool | 'outcome'>
  readonly replicaLagSeconds: GaugeMetric<Pool>
  /** reason: lags, away */
  readonly replicaPassedOver: CounterMetric<Pool | 'reason'>
  readonly databaseBytes: GaugeMetric<'service'>
  readonly databaseLimitBytes: GaugeMetric<'service'>
}

/** @param registry Of an application that has metrics of its own. @default a new one */
export function createDatabaseMetrics(registry: Registry = new Registry()): DatabaseMetrics {
  const make = metricMaker(registry)
  const pool = ['service', 'server'] as const
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    healthStatus: healthStatusGauge(make),
    poolConnections: make.gauge('service_pool_connections', 'Open connections', [...pool, 'state']),
    poolConnectionsMax: make.gauge('service_pool_connections_max', 'Bound of service_pool_connections', pool),
    poolUtilisation: make.gauge('service_pool_utilisation_ratio', 'Borrowed connections, of those that there may be', pool),
    poolWaiting: make.gauge('service_pool_waiting', 'Units of work that wait for a connection', pool),
    poolExhausted: make.counter('service_pool_exhausted_total', 'Units of work that got no connection in time', pool),
    querySeconds: make.histogram('service_query_seconds', 'Duration of a statement', pool),
    queryErrors: make.counter('service_query_errors_total', 'Statements that failed', [...pool, 'kind']),
    transactions: make.counter('service_transactions_total', 'Transactions that ended', [...pool, 'outcome']),
    replicaLagSeconds: make.gauge(
      'service_replica_lag_seconds',
      'Since the newest moment that the replica is proven to have',
      pool,
    ),
    replicaPassedOver: make.counter('service_replica_passed_over_total', 'Reads that went elsewhere than to the replica', [
      ...pool,
      'reason',
    ]),
    databaseBytes: make.gauge('service_database_bytes', 'Size of the database on disk', ['service']),
    databaseLimitBytes: make.gauge('service_database_limit_bytes', 'What the disk has for the database', ['service']),
  }
}
