/**
 * A process of its own around ClickHouse's engine: it answers the part of ClickHouse's HTTP interface that a client needs, so that it and
 * a real server can be exchanged. One request at a time: the engine's `SET` holds for all that come after it.
 *
 * Arguments: file of the engine, folder of its data, port. `CLICKHOUSE_PASSWORD` is that of the user `default`.
 * https://clickhouse.com/docs/en/interfaces/http
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { buffer } from 'node:stream/consumers'

interface Engine {
  CreateConnection(folder: string): object
  /** Resolves with what the query returned; rejects with ClickHouse's own message. */
  QueryAsyncConnection(connection: object, query: string, format: string): Promise<{ readonly bytes: Buffer }>
  InsertRawAsyncConnection(connection: object, query: string, data: Buffer, countsLines: boolean): Promise<unknown>
}

/** Arguments of a request that are no settings. */
const OWN_ARGUMENTS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'session_id',
  'user',
  'password',
  'role',
  'wait_end_of_query',
])
const AUTHENTICATION_FAILED = 516

const [file = '', folder = '', port = ''] = process.argv.slice(2)
const password = process.env['CLICKHOUSE_PASSWORD'] ?? ''
const loaded: unknown = createRequire(import.meta.url)(file)
if (!isEngine(loaded)) throw new TypeError(`${file} is not the engine of ClickHouse`)
const engine = loaded
const connection = engine.CreateConnection(folder)
let last: Promise<unknown> = Promise.resolve()

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    const code = /Code: (\d+)/.exec(message)?.[1] ?? '1000'
    response.writeHead(code === String(AUTHENTICATION_FAILED) ? 403 : 400, { 'X-ClickHouse-Exception-Code': code })
    response.end(message.startsWith('Code:') ? message : `Code: ${code}. DB::Exception: ${message} (UNKNOWN)`)
  })
})
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => {
  // What runs is finished first: the engine can not be ended in the middle of a query.
  server.close()
  server.closeAllConnections()
  last.then(
    () => process.exit(0),
    () => process.exit(1),
  )
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  const body = await buffer(request)
  if (pathname === '/ping') {
    response.end('Ok.\n')
    return
  }
  assertUser(request)
  const query = searchParams.get('query')
  const settings = [...searchParams].filter(([name]) => !OWN_ARGUMENTS.has(name))
  const bytes = await oneAtATime(async () => {
    await run(`USE ${quoted(searchParams.get('database') ?? 'default')}`)
    for (const [name, value] of settings) await run(`SET ${settingName(name)} = '${value.replaceAll(/[\\']/g, '\\$&')}'`)
    try {
      return query === null ? await run(body.toString('utf8')) : await insert(query, body)
    } finally {
      for (const [name] of settings) if (!name.startsWith('param_')) await run(`SET ${settingName(name)} = DEFAULT`)
    }
  })
  response.writeHead(200, { 'X-ClickHouse-Format': searchParams.get('default_format') ?? 'TabSeparated' })
  response.end(bytes)
}

async function run(query: string): Promise<Buffer> {
  return (await engine.QueryAsyncConnection(connection, query, 'TabSeparated')).bytes
}

async function insert(query: string, data: Buffer): Promise<Buffer> {
  if (data.length === 0) return run(query)
  await engine.InsertRawAsyncConnection(connection, `${query}\n`, data, true)
  return Buffer.alloc(0)
}

function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  const result = last.then(work, work)
  last = result.catch(() => undefined)
  return result
}

function assertUser({ headers }: IncomingMessage): void {
  const basic = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64').toString('utf8')
  const given = headers['x-clickhouse-key'] ?? basic.slice(basic.indexOf(':') + 1)
  if (given === password) return
  throw new Error(`Code: ${AUTHENTICATION_FAILED}. DB::Exception: default: Authentication failed (AUTHENTICATION_FAILED)`)
}

function quoted(name: string): string {
  return `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
}

function settingName(name: string): string {
  if (/^[a-z0-9_]+$/.test(name)) return name
  throw new Error(`Code: 115. DB::Exception: no setting has such a name (UNKNOWN_SETTING)`)
}

function isEngine(value: unknown): value is Engine {
  const has = (name: string): boolean => typeof value === 'object' && value !== null && name in value
  return has('CreateConnection') && has('QueryAsyncConnection') && has('InsertRawAsyncConnection')
}
