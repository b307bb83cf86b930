/**
 * Each objective's alert is silent at its limit and fires beyond it: values are set, since a real one does not stay at a limit.
 * `service-database-alerts.int.test.ts` makes each condition true on real servers.
 */
import { readFileSync } from 'node:fs'
import { type DatabaseMetrics, createDatabaseMetrics } from '@sluice/telemetry'
import { afterAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Scrape, firing, parseScrape } from './alert-expression.ts'

const ruleSchema = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().regex(/^\d+m$/),
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string(), runbook_url: z.string().startsWith('docs/operations.md#') }),
})
const file = new URL('../../infra/prometheus/service-objectives.rules.yml', import.meta.url)
const [{ rules }] = z
  .object({ groups: z.tuple([z.object({ rules: z.array(ruleSchema) })]) })
  .parse(parse(readFileSync(file, 'utf8'))).groups

const AT = { service: 'auth_service', server: 'primary' }
const proven = new Set<string>()

/** Names of the alerts that fire after the metrics were changed; both scrapes have every counter. */
async function firesAfter(change: (metrics: DatabaseMetrics) => void): Promise<readonly string[]> {
  const metrics = createDatabaseMetrics()
  metrics.querySeconds.observe(AT, 0.001)
  for (const kind of ['timeout', 'connection', 'refused']) metrics.queryErrors.add({ ...AT, kind }, 0)
  const scrape = async (): Promise<Scrape> => parseScrape(await metrics.render())
  const before = await scrape()
  change(metrics)
  const now = await scrape()
  const names = rules.filter((rule) => firing(rule.expr, before, now).length > 0).map((rule) => rule.alert)
  for (const name of names) proven.add(name)
  return names
}

/** A hundred statements, of which some take the given time. */
function statements(slow: number, seconds: number): (metrics: DatabaseMetrics) => void {
  return ({ querySeconds }) => {
    for (let i = 0; i < 100; i++) querySeconds.observe(AT, i < slow ? seconds : 0.01)
  }
}

afterAll(() => {
  expect([...proven].toSorted()).toEqual(rules.map((rule) => rule.alert).toSorted())
})

test('a 95th percentile of response times above 50 ms warns, one above 100 ms calls the engineer', async () => {
  expect(await firesAfter(statements(5, 0.5))).toEqual([])
  expect(await firesAfter(statements(6, 0.08))).toEqual(['SluiceServiceResponseSlow'])
  expect(await firesAfter(statements(6, 0.2))).toEqual(['SluiceServiceResponseSlow', 'SluiceServiceResponseTooSlow'])
})

test('more than 80 percent of the connections of a pool in use', async () => {
  expect(await firesAfter((metrics) => metrics.poolUtilisation.set(AT, 0.8))).toEqual([])
  expect(await firesAfter((metrics) => metrics.poolUtilisation.set(AT, 0.85))).toEqual(['SluiceServicePoolBusy'])
})

test('a replica that is proven to be more than a second behind warns, more than five seconds goes to the database team', async () => {
  const lagOf = (seconds: number) => (metrics: DatabaseMetrics) =>
    metrics.replicaLagSeconds.set({ ...AT, server: 'replica_1' }, seconds)
  expect(await firesAfter(lagOf(2))).toEqual([])
  expect(await firesAfter(lagOf(2.1))).toEqual(['SluiceServiceReplicaBehind'])
  expect(await firesAfter(lagOf(5.1))).toEqual(['SluiceServiceReplicaBehind', 'SluiceServiceReplicaFarBehind'])
})

test('fewer than 99.5 percent of statements succeed, whatever they failed by', async () => {
  const failing = (kinds: readonly string[]) => (metrics: DatabaseMetrics) => {
    for (let i = 0; i < 400; i++) metrics.querySeconds.observe(AT, 0.001)
    for (const kind of kinds) metrics.queryErrors.add({ ...AT, kind }, 1)
  }
  expect(await firesAfter(failing(['timeout', 'refused']))).toEqual([])
  expect(await firesAfter(failing(['timeout', 'refused', 'connection']))).toEqual(['SluiceServiceStatementsFail'])
})
