/** A Kafka broker as a local process: KRaft, one node, loopback only. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { claimPort } from './free-port.ts'
import { installPart } from './install-part.ts'
import type { LocalServerPlan } from './local-plan.ts'
import type { OnServerProgress } from './progress.ts'
import { requireJava } from './required-tool.ts'
import { KAFKA_HEAP_MIB, KAFKA_SETTINGS, SHORT_LIVED_JVM_FLAGS } from './server-settings.ts'

const run = promisify(execFile)
const LOG_CONFIGURATION = fileURLToPath(new URL('../kafka/log4j2.properties', import.meta.url))

/** Listeners beside the plain one, which the broker itself uses and its probe; on the loopback interface, as `localhost`. */
export interface KafkaListeners {
  /** Ports by listener: `{ SSL: 20001 }` */
  readonly ports: Readonly<Record<string, number>>
  /** Of these listeners, by name. */
  readonly settings: Readonly<Record<string, string>>
  /** Users that the log folder is made with, by the form of the tool: `SCRAM-SHA-256=[name=…,password=…]` */
  readonly users: readonly string[]
}

const NO_LISTENERS: KafkaListeners = { ports: {}, settings: {}, users: [] }

/**
 * Formats a log folder under the run folder.
 *
 * @param settings override those of server-settings.ts, by name
 * @throws SluiceError SLU-7001 to SLU-7004
 */
export async function prepareLocalKafka(
  runFolder: string,
  settings: Readonly<Record<string, string>>,
  onProgress: OnServerProgress,
  listeners: KafkaListeners = NO_LISTENERS,
): Promise<LocalServerPlan> {
  requireJava()
  const jars = await installPart('kafka', onProgress)
  const folder = join(runFolder, 'kafka')
  const propertiesFile = join(folder, 'server.properties')
  const [port, controllerPort] = [await claimPort(runFolder), await claimPort(runFolder)]
  await mkdir(folder, { mode: 0o700 })
  const all = { ...KAFKA_SETTINGS, ...settings, ...listeners.settings }
  await writeFile(propertiesFile, properties(all, { PLAINTEXT: port, ...listeners.ports }, controllerPort, join(folder, 'data')))
  await format(jars, propertiesFile, listeners.users)
  return {
    url: `127.0.0.1:${port}`,
    spec: {
      name: 'Kafka',
      file: 'java',
      args: [
        `-Xmx${KAFKA_HEAP_MIB}m`,
        '-Djava.awt.headless=true',
        ...SHORT_LIVED_JVM_FLAGS,
        ...classpath(jars),
        'kafka.Kafka',
        propertiesFile,
      ],
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
      logFile: join(folder, 'server.log'),
      stopSignal: 'SIGTERM',
      endSignal: 'SIGKILL',
    },
  }
}

function classpath(jars: string): string[] {
  return [`-Dlog4j2.configurationFile=${LOG_CONFIGURATION}`, '-cp', join(jars, '*')]
}

function properties(
  settings: Readonly<Record<string, string>>,
  ports: Readonly<Record<string, number>>,
  controllerPort: number,
  dataFolder: string,
): string {
  const named = Object.entries(ports)
  const all = {
    ...settings,
    listeners: [...named, ['CONTROLLER', controllerPort]].map(([name, port]) => `${name}://127.0.0.1:${port}`).join(','),
    // A certificate is for a name.
    'advertised.listeners': named
      .map(([name, port]) => `${name}://${name === 'PLAINTEXT' ? '127.0.0.1' : 'localhost'}:${port}`)
      .join(','),
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `${settings['node.id'] ?? '1'}@127.0.0.1:${controllerPort}`,
    'log.dirs': dataFolder,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value.replaceAll('\n', String.raw`\n`)}\n`)
    .join('')
}

/** https://kafka.apache.org/41/operations/kraft/: a log folder is formatted before its first use. */
async function format(jars: string, propertiesFile: string, users: readonly string[]): Promise<void> {
  const args = [
    '-Xmx128m',
    ...SHORT_LIVED_JVM_FLAGS,
    ...classpath(jars),
    'kafka.tools.StorageTool',
    'format',
    '-t',
    randomClusterId(),
    '-c',
    propertiesFile,
    ...users.flatMap((user) => ['--add-scram', user]),
  ]
  try {
    await run('java', args)
  } catch (error) {
    throw new SluiceError('SERVER_START_FAILED', {
      what: 'the log folder of Kafka could not be formatted',
      why: error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error),
      ways: ['set SLUICE_TEST_KAFKA_BROKERS to a broker of your own'],
      cause: error,
    })
  }
}

/** 16 bytes as base64url; without the topmost bit it can not begin with a dash, which would read as an option. */
function randomClusterId(): string {
  const bytes = randomBytes(16)
  bytes[0]! &= 0x7f
  return bytes.toString('base64url')
}
