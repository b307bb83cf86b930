/** Health of each service and of all, and the metrics, as an application serves them. */
import { startHealthServer } from '@sluice/telemetry'
import { expect, test } from 'vitest'
import { ServiceDatabases } from '@sluice/database-manager'
import { heldWork, metric, openServices } from './service-fixture.ts'

const GONE = 'postgresql://nobody:secret@127.0.0.1:1/gone'

test('every service is told, and all are healthy if each one is', async () => {
  await using services = await openServices()
  const health = await services.databases.healthCheck()
  expect(health).toMatchObject({ status: 'healthy', services: { samples: true, ai: true } })
  expect(new Date(health.timestamp).toISOString()).toBe(health.timestamp)
})

test('one database that is away makes its service unhealthy and leaves the others', async () => {
  await using services = await openServices({ ai: { url: GONE } })
  expect(await services.databases.healthCheck()).toMatchObject({
    status: 'unhealthy',
    services: { samples: true, ai: false },
  })
  const [, ai] = await services.databases.checks()
  expect(ai).toMatchObject({
    name: 'database.ai',
    status: 'failed',
    code: 'SLU-2001',
    summary: '127.0.0.1:1/gone does not answer',
  })
  expect(JSON.stringify(ai)).not.toContain('secret')
})

test('an exhausted pool is a warning, and the check itself needs none of its connections', async () => {
  await using services = await openServices({ samples: { pool: { min: 0, max: 1 } } })
  const samples = services.databases.get('samples')
  const held = heldWork()
  const holding = samples.transaction(held.work)
  await held.begun
  const waiting = samples.query('SELECT 1')
  expect((await services.databases.checks())[0]).toEqual({
    name: 'database.samples',
    status: 'warning',
    summary: '1 of 1 connections borrowed, 1 wait',
    cause: 'the pool is exhausted',
  })
  held.release()
  await Promise.all([holding, waiting])
  expect((await services.databases.checks())[0]).toMatchObject({ status: 'ok' })
})

test('a service on the main database says so, in its check and in the log', async () => {
  await using services = await openServices()
  const lines: unknown[] = []
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields: object, message: string) => lines.push([fields, message]),
    error: () => undefined,
    child: () => logger,
  }
  const settings = { url: services.urls.samples, isFallback: true }
  const databases = await ServiceDatabases.open({ applicationName: 'fallback test', services: { samples: settings }, logger })
  try {
    expect(lines).toEqual([[{ service: 'samples' }, 'the service uses the main database: DATABASE_URL, in development']])
    expect((await databases.checks())[0]).toMatchObject({
      status: 'warning',
      summary: expect.stringContaining('main database') as string,
    })
    expect((await databases.healthCheck()).status).toBe('healthy')
  } finally {
    await databases.close()
  }
})

test('an application serves health and metrics as every process of Sluice does', async () => {
  await using services = await openServices({ samples: { diskBytes: 1_000_000_000, pool: { min: 2, max: 4 } } })
  const { databases, metrics } = services
  await databases.get('samples').query('SELECT 1')
  await expect(databases.get('samples').query('SELECT nonsense')).rejects.toMatchObject({ code: '42703' })
  const server = await startHealthServer({
    port: 0,
    role: 'samples',
    readiness: () => ({ mode: 'active' }),
    checks: () => databases.checks(),
    metrics,
  })
  try {
    const answer = await fetch(`http://${server.host}:${server.port}/health`)
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { status: 'ok', checks: [{ name: 'database.samples' }, { name: 'database.ai' }] },
    ])
    const page = await (await fetch(`http://${server.host}:${server.port}/metrics`)).text()
    const pool = '{service="samples",server="primary"}'
    expect(page).toContain(`sluice_service_pool_connections_max${pool} 4\n`)
    expect(page).toContain(`sluice_service_pool_connections{service="samples",server="primary",state="idle"} 2\n`)
    expect(page).toContain(`sluice_service_query_seconds_count${pool} 2\n`)
    expect(page).toContain('sluice_service_query_errors_total{service="samples",server="primary",kind="refused"} 1\n')
    expect(page).toContain('sluice_service_database_limit_bytes{service="samples"} 1000000000\n')
    expect(page).toContain('sluice_health_status{component="database",check="samples",status="ok"} 1\n')
    expect(await metric(metrics, 'sluice_service_database_bytes{service="samples"}')).toBeGreaterThan(1_000_000)
  } finally {
    await server.close()
  }
})
