/** A PostgreSQL server as a local process: a cluster of its own, a random password, TCP on the loopback only. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import { claimPort } from './free-port.ts'
import type { LocalServerPlan } from './local-plan.ts'
import type { PostgresBuild } from './postgres-build.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { INITDB_LOCALE, INITDB_LOCALE_WITHOUT_ICU, POSTGRES_SETTINGS, type PostgresServerName } from './server-settings.ts'
import { postgresUser } from './server-user.ts'
import type { StartPlace } from './start-place.ts'

const run = promisify(execFile)

/**
 * Initialises a cluster under the run folder.
 *
 * @param settings override those of server-settings.ts, by name
 * @throws SluiceError SLU-7001 to SLU-7004
 */
export async function prepareLocalPostgres(
  name: PostgresServerName,
  { runFolder, postgres, onProgress }: Pick<StartPlace, 'runFolder' | 'postgres' | 'onProgress'>,
  settings: Readonly<Record<string, string>>,
): Promise<LocalServerPlan> {
  const user = postgresUser()
  const binaries = await findPostgresBinaries(user, postgres, onProgress)
  const folder = join(runFolder, name)
  const dataFolder = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  const password = randomBytes(18).toString('base64url')
  const port = await claimPort(runFolder)
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o711)
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) await Promise.all([dataFolder, passwordFile].map((path) => chown(path, user.uid, user.gid)))
  await initialise(name, binaries.initdb, [...localeOf(postgres), `--pgdata=${dataFolder}`, `--pwfile=${passwordFile}`], user)
  await rm(passwordFile)
  await appendFile(join(dataFolder, 'postgresql.conf'), configuration({ ...POSTGRES_SETTINGS, ...settings }, port))
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    spec: {
      name: `PostgreSQL "${name}"`,
      file: binaries.postgres,
      args: ['-D', dataFolder],
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      ...(user === undefined ? {} : { user }),
      logFile: join(folder, 'server.log'),
      stopSignal: 'SIGINT',
      endSignal: 'SIGQUIT',
    },
  }
}

/** The data folder's files need not be synced: a cluster of a machine that crashed now is made anew. */
async function initialise(
  name: string,
  initdb: string,
  options: readonly string[],
  user: { uid: number; gid: number } | undefined,
): Promise<void> {
  const args = ['--username=postgres', '--auth=scram-sha-256', '--no-sync', '--no-instructions', ...options]
  try {
    await run(initdb, args, { cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' }, ...user })
  } catch (error) {
    throw new SluiceError('SERVER_START_FAILED', {
      what: `the data folder of PostgreSQL "${name}" could not be made`,
      why: error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error),
      ways: ["set the server's URL in the environment to use one of your own"],
      cause: error,
    })
  }
}

function localeOf(build: PostgresBuild): readonly string[] {
  return build.hasVector ? INITDB_LOCALE_WITHOUT_ICU : INITDB_LOCALE
}

function configuration(settings: Readonly<Record<string, string>>, port: number): string {
  const all = { ...settings, listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' }
  return Object.entries(all)
    .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
    .join('')
}
