/**
 * A pgbouncer as a local process, in transaction mode, in front of one database: each transaction of a client is given any of the pool's
 * connections to the server. https://www.pgbouncer.org/config.html
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { claimPort } from './free-port.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { downloadPgbouncer } from './pgbouncer-download.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { OnServerProgress } from './progress.ts'
import { createRunFolder } from './run-folder.ts'
import { probeOf } from './server-probe.ts'
import { postgresUser } from './server-user.ts'

export interface PgbouncerOptions {
  /**
   * The file that a pgbouncer in front of this database is to be started with; its last section is `[pgbouncer]`. What it says of
   * logins and addresses is set over.
   */
  readonly ini?: string
  /** Connections to the server, for each role. @default 20 */
  readonly poolSize?: number
  /** Clients that may be connected at once. @default 100 */
  readonly clientsMax?: number
  /** Roles that may log in beside the URL's own: their passwords by name. */
  readonly roles?: Readonly<Record<string, string>>
  readonly onProgress?: OnServerProgress
}

export interface Pgbouncer extends OwnServer {
  /** The database's URL, by way of the pooler. */
  readonly url: string
  readonly version: string
}

interface Program {
  readonly file: string
  readonly env: Readonly<Record<string, string>>
}

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function startPgbouncer(databaseUrl: string, options: PgbouncerOptions = {}): Promise<Pgbouncer> {
  const onProgress = options.onProgress ?? (() => undefined)
  const runFolder = createRunFolder()
  const program = programOnPath() ?? (await copyOfDownload(runFolder, onProgress))
  const version = versionOf(program)
  const user = postgresUser()
  const url = new URL(databaseUrl)
  const direct = new URL(databaseUrl)
  url.port = String(await claimPort(runFolder))
  const configuration = join(runFolder, 'pgbouncer.ini')
  const users = join(runFolder, 'users.txt')
  writeFileSync(users, usersOf(direct, options.roles ?? {}), { mode: 0o644 })
  writeFileSync(configuration, settingsOf(direct, url, users, options), { mode: 0o644 })
  const spec: ProcessSpec = {
    name: 'pgbouncer',
    file: program.file,
    args: [configuration],
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', ...program.env },
    ...(user === undefined ? {} : { user }),
    logFile: join(runFolder, 'pgbouncer.log'),
    stopSignal: 'SIGTERM',
    endSignal: 'SIGKILL',
  }
  const server = await startOwnServer(runFolder, spec, probeOf('services', url.toString()))
  return { url: url.toString(), version, ...server }
}

function programOnPath(): Program | null {
  const program = { file: 'pgbouncer', env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` } }
  try {
    versionOf(program)
    return program
  } catch {
    // Not there, or its libraries are not: the pinned one is taken.
    return null
  }
}

/** The cache is its user's alone, and pgbouncer refuses to run as root: it gets a copy where the other user may read it. */
async function copyOfDownload(runFolder: string, onProgress: OnServerProgress): Promise<Program> {
  const { folder } = await downloadPgbouncer(onProgress)
  const copy = join(runFolder, 'program')
  mkdirSync(copy, { mode: 0o755 })
  for (const part of ['sbin', 'lib'])
    cpSync(join(folder, 'usr', part), join(copy, part), { recursive: true, verbatimSymlinks: true })
  chmodSync(copy, 0o755)
  return {
    file: join(copy, 'sbin', 'pgbouncer'),
    env: { LD_LIBRARY_PATH: join(copy, 'lib', process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu') },
  }
}

/** `1.18.0` */
function versionOf({ file, env }: Program): string {
  const text = execFileSync(file, ['--version'], { encoding: 'utf8', env: { ...process.env, ...env }, stdio: 'pipe' })
  return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? text.trim()
}

/** The server asks for SCRAM, for which pgbouncer has to know the passwords themselves. */
function usersOf(database: URL, roles: Readonly<Record<string, string>>): string {
  const all = { [decodeURIComponent(database.username)]: decodeURIComponent(database.password), ...roles }
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
  return Object.entries(all)
    .map(([name, password]) => `${quoted(name)} ${quoted(password)}\n`)
    .join('')
}

function settingsOf(database: URL, own: URL, users: string, options: PgbouncerOptions): string {
  // Of a setting that is there twice pgbouncer takes the last; a section that is begun twice forgets all that was in it.
  return `${options.ini ?? poolOf(database, options)}${linesOf({
    listen_addr: '127.0.0.1',
    listen_port: own.port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: users,
    // Who may ask the pooler for its own state: SHOW POOLS.
    stats_users: decodeURIComponent(database.username),
  })}`
}

function poolOf(database: URL, { poolSize = 20, clientsMax = 100 }: PgbouncerOptions): string {
  const name = decodeURIComponent(database.pathname.slice(1))
  return [
    '[databases]\n',
    linesOf({ [name]: `host=${database.hostname} port=${database.port} dbname=${name}` }),
    '[pgbouncer]\n',
    linesOf({
      pool_mode: 'transaction',
      default_pool_size: poolSize,
      max_client_conn: clientsMax,
      // By itself 15 s: a server that is back would be missed for so long.
      server_login_retry: 1,
    }),
  ].join('')
}

function linesOf(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')
}
