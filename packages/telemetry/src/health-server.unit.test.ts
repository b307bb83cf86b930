import type { HealthCheck } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { type HealthServerOptions, type Readiness, healthRoutes, startHealthServer } from './health-server.ts'
import { createMetrics } from './metrics.ts'

const metrics = () => createMetrics({ role: 'reader', version: '1.2.3', revision: 'abc' })

function options(readiness: Readiness, checks: () => Promise<readonly HealthCheck[]>): HealthServerOptions {
  return { port: 0, role: 'reader', readiness: () => readiness, checks, metrics: metrics(), checksTimeoutMs: 50 }
}

const none = async (): Promise<readonly HealthCheck[]> => []
const ok: HealthCheck = { name: 'pipeline.connection', status: 'ok', summary: 'connected' }
const parked: HealthCheck = { name: 'projector.parked', status: 'warning', summary: '3 parked', fix: ['sluice parked list'] }
const lost: HealthCheck = { name: 'monolith.slot', status: 'failed', summary: 'slot lost', code: 'SLU-2021' }

describe('health', () => {
  test.each([
    ['active', 200],
    ['degraded', 200],
    ['standby', 200],
    ['starting', 503],
    ['failing', 503],
    ['stopping', 503],
  ] as const)('readyz of a process that is %s answers %i', async (mode, code) => {
    const answer = await healthRoutes(options({ mode }, none)).inject('/readyz')
    expect(answer.statusCode).toBe(code)
    expect(answer.json()).toMatchObject({ role: 'reader', mode })
  })

  test('readyz does not ask the checks: a failed one leaves the process ready', async () => {
    const answer = await healthRoutes(options({ mode: 'active' }, async () => [lost])).inject('/readyz')
    expect(answer.statusCode).toBe(200)
  })

  test('livez answers although the process is failing', async () => {
    expect((await healthRoutes(options({ mode: 'failing' }, none)).inject('/livez')).statusCode).toBe(200)
  })

  test.each(['/healthz', '/health'])('%s shows every check; 503 only if one failed', async (path) => {
    const warned = await healthRoutes(options({ mode: 'active' }, async () => [ok, parked])).inject(path)
    expect(warned.statusCode).toBe(200)
    expect(warned.json()).toEqual({ role: 'reader', status: 'warning', mode: 'active', checks: [ok, parked] })
    const failed = await healthRoutes(options({ mode: 'active' }, async () => [ok, lost])).inject(path)
    expect(failed.statusCode).toBe(503)
  })

  test('checks that hang or throw become a failed check', async () => {
    const hung = await healthRoutes(options({ mode: 'active' }, () => new Promise(() => undefined))).inject('/healthz')
    expect(hung.statusCode).toBe(503)
    expect(hung.body).toContain('50 ms')
    const thrown = await healthRoutes(options({ mode: 'active' }, async () => Promise.reject(new Error('secret text')))).inject(
      '/healthz',
    )
    expect(thrown.statusCode).toBe(503)
    expect(thrown.body).not.toContain('secret text')
  })

  test('metrics show the status of every check, and not of one that is gone', async () => {
    let checks: readonly HealthCheck[] = [ok, lost]
    const server = healthRoutes(options({ mode: 'active' }, async () => checks))
    const before = (await server.inject('/metrics')).body
    expect(before).toContain('sluice_health_status{component="monolith",check="slot",status="failed"} 1')
    expect(before).toContain('sluice_health_status{component="monolith",check="slot",status="ok"} 0')
    checks = [{ ...lost, status: 'ok' }]
    const after = (await server.inject('/metrics')).body
    expect(after).toContain('sluice_health_status{component="monolith",check="slot",status="failed"} 0')
    expect(after).toContain('sluice_health_status{component="monolith",check="slot",status="ok"} 1')
    expect(after).not.toContain('check="connection"')
  })

  test('metrics carry the prefix, the build, and only what is known', async () => {
    const registry = metrics()
    registry.readerEvents.add({ lane: 'monolith' }, 3)
    registry.slotSafeWalBytes.set({ slot: 's' }, 5)
    registry.slotSafeWalBytes.clear({ slot: 's' })
    const base = options({ mode: 'active' }, none)
    const answer = await healthRoutes({ ...base, metrics: registry }).inject('/metrics')
    expect(answer.headers['content-type']).toContain('text/plain')
    expect(answer.body).toContain('sluice_build_info{version="1.2.3",revision="abc",role="reader"} 1')
    expect(answer.body).toContain('sluice_reader_events_total{lane="monolith"} 3')
    expect(answer.body).not.toContain('slot="s"')
    expect(answer.body).not.toContain('dead')
  })

  test('listens on a free loopback port, and says so when the port is taken', async () => {
    const server = await startHealthServer(options({ mode: 'active' }, none))
    try {
      expect(server.host).toBe('127.0.0.1')
      expect((await fetch(`http://127.0.0.1:${server.port}/livez`)).status).toBe(200)
      await expect(startHealthServer({ ...options({ mode: 'active' }, none), port: server.port })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        why: expect.stringContaining('EADDRINUSE') as string,
      })
    } finally {
      await server.close()
    }
  })
})
