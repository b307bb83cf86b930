/**
 * Health and metrics of a process, on a listener of their own.
 *
 *   /livez    200 as long as the event loop turns; asks nothing else
 *   /readyz   200 if the process does its role's work now, or a part of it (`degraded`); lag, parked events and a standby's
 *             idleness never change it
 *   /healthz  every check with status, cause and fix, for people; 503 if one failed. `/health` answers the same
 *   /metrics  Prometheus text, the checks among it
 *
 * Only 200 or 503 is answered. Requests are not logged. It listens on loopback unless told otherwise.
 */
import { type HealthCheck, SluiceError, worstStatus } from '@sluice/core'
import { type FastifyInstance, fastify } from 'fastify'
import { healthMetric } from './health-metric.ts'
import type { ServedMetrics } from './metrics.ts'

/** How far a process is: it works, works in part, stands by for another that does, or can't work (yet, or any more). */
export interface Readiness {
  readonly mode: 'active' | 'degraded' | 'standby' | 'starting' | 'failing' | 'stopping'
  /** Of a process that is degraded or failing: each engine that does not work, and why. */
  readonly reason?: string
}

export interface HealthReport {
  readonly role: string
  readonly status: ReturnType<typeof worstStatus>
  readonly mode: Readiness['mode']
  readonly checks: readonly HealthCheck[]
}

export interface HealthServerOptions {
  /** @default '127.0.0.1' */
  readonly host?: string
  /** 0 takes a free port. */
  readonly port: number
  readonly role: string
  readonly readiness: () => Readiness
  readonly checks: () => Promise<readonly HealthCheck[]>
  readonly metrics: ServedMetrics
  /** Longest time that `checks` may take, in milliseconds. @default 5000 */
  readonly checksTimeoutMs?: number
}

export interface HealthServer {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

/** @throws SluiceError SLU-1003 if the port can't be listened on. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const host = options.host ?? '127.0.0.1'
  const server = healthRoutes(options)
  try {
    await server.listen({ host, port: options.port })
  } catch (cause) {
    await server.close()
    throw new SluiceError('CONFIG_INVALID', {
      what: `the health server can not listen on ${host}:${options.port}`,
      why: cause instanceof Error ? cause.message : String(cause),
      ways: ['sluice run … --health-port 0    takes a free port and logs it'],
      cause,
    })
  }
  const address = server.server.address()
  return { host, port: typeof address === 'object' && address ? address.port : options.port, close: () => server.close() }
}

/** The routes without a listener. */
export function healthRoutes(options: HealthServerOptions): FastifyInstance {
  const server = fastify({ logger: false, forceCloseConnections: true })
  server.get('/livez', async () => ({ role: options.role, status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const { mode, reason } = options.readiness()
    const isReady = mode === 'active' || mode === 'degraded' || mode === 'standby'
    const status = mode === 'degraded' ? 'warning' : isReady ? 'ok' : 'failed'
    return reply.code(isReady ? 200 : 503).send({ role: options.role, status, mode, reason })
  })
  for (const path of ['/healthz', '/health']) {
    server.get(path, async (_request, reply) => {
      const report = await healthReport(options)
      return reply.code(report.status === 'failed' ? 503 : 200).send(report)
    })
  }
  const showChecks = healthMetric(options.metrics)
  server.get('/metrics', async (_request, reply) => {
    showChecks(await boundedChecks(options))
    return reply.type(options.metrics.contentType).send(await options.metrics.render())
  })
  return server
}

async function healthReport(options: HealthServerOptions): Promise<HealthReport> {
  const checks = await boundedChecks(options)
  return { role: options.role, status: worstStatus(checks), mode: options.readiness().mode, checks }
}

async function boundedChecks(options: HealthServerOptions): Promise<readonly HealthCheck[]> {
  const limitMs = options.checksTimeoutMs ?? 5_000
  const late = Promise.withResolvers<readonly HealthCheck[]>()
  const timer = setTimeout(() => late.resolve([failedCheck(`the checks did not answer within ${limitMs} ms`)]), limitMs)
  try {
    return await Promise.race([options.checks(), late.promise])
  } catch (error) {
    return [failedCheck(error instanceof SluiceError ? error.message : 'the checks failed')]
  } finally {
    clearTimeout(timer)
  }
}

function failedCheck(summary: string): HealthCheck {
  return { name: 'health.checks', status: 'failed', summary, fix: ['sluice status', 'sluice doctor'] }
}
