/**
 * Servers in containers, through testcontainers, where an engine answers. Its reaper removes the containers when the
 * launcher is gone. Ports on the host are fixed, so that a server that is stopped comes back where it was.
 *
 * No container engine was at hand where this was written: types are checked, and settings are compared with
 * docker-compose.yml by a test, but it has not run.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ContainerRuntimeClient, GenericContainer, StartedTestContainer } from 'testcontainers'
import { claimPort } from './free-port.ts'
import type { ServerControl } from './local-server.ts'
import { probeOf } from './server-probe.ts'
import {
  CONTAINER_PORTS,
  IMAGES,
  REGISTRY_API_PATH,
  kafkaEnvironment,
  postgresCommand,
  postgresEnvironment,
  registryEnvironment,
  type ServerName,
} from './server-settings.ts'
import { waitUntilReady } from './wait-until-ready.ts'

export interface ContainerServer {
  readonly url: string
  readonly control: ServerControl
  /** Removes the container and its data. */
  remove(): Promise<void>
}

const STOP_TIMEOUT_SECONDS = 60

/**
 * The engine that answers, or undefined. testcontainers takes a second to load, so it is asked only where something
 * points at an engine.
 */
export async function findContainerEngine(): Promise<ContainerRuntimeClient | undefined> {
  const signs = [
    '/var/run/docker.sock',
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.testcontainers.properties'),
  ]
  if (process.env['DOCKER_HOST'] === undefined && !signs.some((sign) => existsSync(sign))) return undefined
  const { getContainerRuntimeClient } = await import('testcontainers')
  return getContainerRuntimeClient().catch(() => undefined)
}

/** Starts a container and waits until the server in it answers. */
export async function startContainer(
  engine: ContainerRuntimeClient,
  name: ServerName,
  settings: Readonly<Record<string, string>>,
  runFolder: string,
): Promise<ContainerServer> {
  const port = await claimPort(runFolder)
  const password = randomBytes(18).toString('base64url')
  const definition = await defineContainer(name, settings, port, password)
  const started = await definition.start()
  const url = urlOf(name, started.getHost(), port, password)
  const control = controlOf(engine, started, name, url)
  await waitUntilReady(probeOf(name, url))
  return {
    url,
    control,
    remove: async () => {
      await started.stop({ remove: true, removeVolumes: true })
    },
  }
}

async function defineContainer(
  name: ServerName,
  settings: Readonly<Record<string, string>>,
  port: number,
  password: string,
): Promise<GenericContainer> {
  const { GenericContainer } = await import('testcontainers')
  switch (name) {
    case 'kafka':
      return new GenericContainer(IMAGES.kafka)
        .withEnvironment(kafkaEnvironment(`localhost:${port}`, settings))
        .withExposedPorts({ container: CONTAINER_PORTS.kafka, host: port })
    case 'registry':
      return new GenericContainer(IMAGES.registry)
        .withEnvironment(registryEnvironment())
        .withExposedPorts({ container: CONTAINER_PORTS.registry, host: port })
    case 'monolith':
    case 'pipeline':
    case 'services':
      return new GenericContainer(IMAGES.postgres)
        .withEnvironment(postgresEnvironment(password))
        .withCommand(postgresCommand(settings))
        .withExposedPorts({ container: CONTAINER_PORTS.postgres, host: port })
  }
}

function urlOf(name: ServerName, host: string, port: number, password: string): string {
  if (name === 'kafka') return `${host}:${port}`
  return name === 'registry'
    ? `http://${host}:${port}${REGISTRY_API_PATH}`
    : `postgresql://postgres:${password}@${host}:${port}/postgres`
}

function controlOf(engine: ContainerRuntimeClient, started: StartedTestContainer, name: ServerName, url: string): ServerControl {
  const container = engine.container.getById(started.getId())
  const start = async () => {
    await engine.container.start(container)
    await waitUntilReady(probeOf(name, url))
  }
  const stop = () => engine.container.stop(container, { timeout: STOP_TIMEOUT_SECONDS })
  return {
    start,
    stop,
    kill9: async () => {
      await container.kill({ signal: 'SIGKILL' })
      await container.wait({ condition: 'not-running' })
    },
    restart: async () => {
      await stop()
      await start()
    },
  }
}
