/** Metrics with typed labels in a registry of their own; every name begins with `sluice_`. */
import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'

type Labels<Name extends string> = Readonly<Record<Name, string>>

export interface GaugeMetric<Label extends string> {
  set(labels: Labels<Label>, value: number): void
  /** Takes the sample away: the value is not known any more. */
  clear(labels: Labels<Label>): void
}

export interface CounterMetric<Label extends string> {
  add(labels: Labels<Label>, count: number): void
}

export interface HistogramMetric<Label extends string> {
  observe(labels: Labels<Label>, value: number): void
}

const LATENCY_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export function metricMaker(registry: Registry) {
  const named = (name: string, help: string, labelNames: readonly string[]) => ({
    name: `sluice_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  })
  return {
    gauge<L extends string>(name: string, help: string, labels: readonly L[]): GaugeMetric<L> {
      const gauge = new Gauge<string>(named(name, help, labels))
      return { set: (at, value) => gauge.set({ ...at }, value), clear: (at) => gauge.remove({ ...at }) }
    },
    counter<L extends string>(name: string, help: string, labels: readonly L[]): CounterMetric<L> {
      const counter = new Counter<string>(named(name, help, labels))
      return { add: (at, count) => counter.inc({ ...at }, count) }
    },
    histogram<L extends string>(name: string, help: string, labels: readonly L[]): HistogramMetric<L> {
      const histogram = new Histogram<string>({ ...named(name, help, labels), buckets: LATENCY_BUCKETS_SECONDS })
      return { observe: (at, value) => histogram.observe({ ...at }, value) }
    },
  }
}
