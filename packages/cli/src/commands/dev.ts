/** `sluice dev up|down|status|env`: real servers for development, and the databases of a system on them. */
import { SluiceError } from '@sluice/core'
import {
  type DetachedStatus,
  databaseUrl,
  describeProgress,
  detachedStatus,
  startServers,
  stopDetachedServers,
} from '@sluice/infra'
import { migrate, postgresTarget } from '@sluice/postgres'
import type { SystemDefinition } from '@sluice/system'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { urlVariable } from '../deployment.ts'
import { createDevDatabase } from '../dev-database.ts'
import { renderTable } from '../table.ts'

const PROJECT = 'dev'
/** Table of a monolith of development that remembers which migrations were applied; a real monolith has its own. */
const MONOLITH_MIGRATIONS_TABLE = 'sluice_monolith_migrations'

const up: CommandImplementation = async (context) => {
  const system = await context.system()
  const phase = context.progress.phase('starting servers')
  const servers = await startServers({
    monolith: true,
    pipeline: true,
    services: true,
    kafka: true,
    registry: true,
    lifetime: 'detached',
    project: PROJECT,
    onProgress: (progress) => phase.update(describeProgress(progress)),
  })
  phase.done(`${servers.all.length} servers`)
  const databases = context.progress.phase('making databases')
  const settings = settingsOf(system, (name) => servers.get(name).url)
  for (const { server, target } of databasesOf(system)) {
    databases.update(databaseName(system, target))
    await createDevDatabase(servers.get(server).url, databaseName(system, target))
  }
  if (system.monolith.migrations) {
    const monolith = postgresTarget('monolith', settings[urlVariable('monolith')]!)
    await migrate(monolith, { folder: system.monolith.migrations, table: MONOLITH_MIGRATIONS_TABLE })
  }
  databases.done(`${databasesOf(system).length} databases`)
  return {
    summary: `servers run for system "${system.name}"`,
    result: { system: system.name, servers: servers.all.map((s) => ({ name: s.name, origin: s.origin })) },
    text: '',
    nextSteps: ['eval "$(sluice dev env)"', 'sluice doctor', 'sluice provision'],
  }
}

const down: CommandImplementation = async (context, { options }) => {
  const { yes } = z.object({ yes: z.boolean() }).parse(options)
  const running = detachedStatus(PROJECT)
  if (running === undefined) return { summary: 'nothing runs', result: { stopped: [] }, text: '' }
  if (!yes) {
    throw new SluiceError('CONFIRMATION_NEEDED', {
      what: 'the servers of sluice dev up are not stopped',
      why: `their data would be removed: ${running.servers.map((s) => s.name).join(', ')}`,
      ways: ['sluice dev down --yes'],
    })
  }
  const phase = context.progress.phase('stopping servers')
  const stopped = await stopDetachedServers(PROJECT)
  phase.done(stopped.join(', '))
  return { summary: `${stopped.length} servers stopped, their data removed`, result: { stopped }, text: '' }
}

const status: CommandImplementation = async () => {
  const running = detachedStatus(PROJECT)
  if (running === undefined) {
    return { summary: 'nothing runs', result: { servers: [] }, text: '', nextSteps: ['sluice dev up'] }
  }
  const servers = running.servers.map(({ name, pid, isRunning, logFile }) => ({ name, pid, isRunning, logFile }))
  return {
    summary: '',
    result: { startedAt: running.startedAt, servers },
    text: renderTable(
      [{ title: 'server' }, { title: 'pid', align: 'right' }, { title: 'state' }, { title: 'log' }],
      servers.map((s) => [s.name, String(s.pid), s.isRunning ? 'running' : 'not running', s.logFile]),
    ),
    nextSteps: servers.every((s) => s.isRunning) ? [] : ['sluice dev up    starts those that do not run, on their data'],
  }
}

const env: CommandImplementation = async (context) => {
  const system = await context.system()
  const running = requireRunning()
  const settings = settingsOf(system, (name) => running.servers.find((s) => s.name === name)?.url ?? '')
  return {
    summary: '',
    result: settings,
    text: Object.entries(settings)
      .map(([name, value]) => `export ${name}='${value}'`)
      .join('\n'),
  }
}

export const devCommands = { up, down, status, env }

function requireRunning(): DetachedStatus {
  const running = detachedStatus(PROJECT)
  if (running) return running
  throw new SluiceError('SERVER_START_FAILED', {
    what: 'there are no servers for development',
    why: 'sluice dev up has not been called, or sluice dev down has',
    ways: ['sluice dev up'],
  })
}

type PostgresServer = 'monolith' | 'pipeline' | 'services'

function databasesOf(system: SystemDefinition): readonly { readonly server: PostgresServer; readonly target: string }[] {
  return [
    { server: 'monolith', target: 'monolith' },
    { server: 'pipeline', target: 'pipeline' },
    ...Object.keys(system.services).map((target) => ({ server: 'services' as const, target })),
  ]
}

/** The name that the definition gives it, else one that no other system has. */
export function databaseName(system: Pick<SystemDefinition, 'name' | 'services'>, target: string): string {
  return system.services[target]?.database ?? `${system.name}_${target}`
}

function settingsOf(
  system: SystemDefinition,
  urlOf: (server: PostgresServer | 'kafka' | 'registry') => string,
): Readonly<Record<string, string>> {
  const databases = databasesOf(system).map(({ server, target }): [string, string] => [
    urlVariable(target),
    databaseUrl(urlOf(server), databaseName(system, target)),
  ])
  return { ...Object.fromEntries(databases), KAFKA_BROKERS: urlOf('kafka'), SCHEMA_REGISTRY_URL: urlOf('registry') }
}
