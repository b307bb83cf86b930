/**
 * Loaded into Sluice's processes before the product, through NODE_OPTIONS. Nothing of the product knows it.
 *
 *   SLUICE_TEST_REDIRECT    "5432=40001,9092=40002": connections to the first port of the loopback go to the second, a proxy
 *   SLUICE_TEST_CLOCK_FILE  at SIGUSR2 the clock of the process steps to the real time plus the milliseconds in this file
 *   SLUICE_TEST_KILL_FILE   the real time at which the process killed itself at a fault point, in milliseconds since 1970
 *
 * Kafka names itself to its clients, so a proxy in its place must be dialled below the client's own knowledge of addresses.
 * What is monotonic (`performance.now`, timers) does not step, as with a real clock.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'

const redirects = new Map(
  (process.env['SLUICE_TEST_REDIRECT'] ?? '')
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [from, to] = pair.split('=').map(Number)
      return [from, to] as const
    }),
)
const clockFile = process.env['SLUICE_TEST_CLOCK_FILE']
const killFile = process.env['SLUICE_TEST_KILL_FILE']
const realNow = Date.now.bind(Date)

if (redirects.size > 0) redirectConnections()
if (clockFile !== undefined) stepClock(clockFile)
if (killFile !== undefined) noteOwnKill(killFile)

/** Every TCP connection of Node begins here: with options, with a list that begins with options, or with a port. */
function redirectConnections(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- the proxy hands on the socket that it was called on
  Socket.prototype.connect = new Proxy(Socket.prototype.connect, {
    apply(connect, socket: Socket, args: unknown[]): Socket {
      const [first, ...rest] = args
      if (Array.isArray(first)) first[0] = redirected(first[0])
      Reflect.apply(connect, socket, [Array.isArray(first) ? first : redirected(first), ...rest])
      return socket
    },
  })
}

function redirected(place: unknown): unknown {
  if (typeof place === 'number' || typeof place === 'string') return redirects.get(Number(place)) ?? place
  if (typeof place !== 'object' || place === null || !('port' in place)) return place
  const port = redirects.get(Number(place.port))
  return port === undefined ? place : { ...place, port }
}

function stepClock(file: string): void {
  let offsetMs = 0
  const now = (): number => realNow() + offsetMs
  process.on('SIGUSR2', () => {
    offsetMs = Number(readFileSync(file, 'utf8'))
  })
  globalThis.Date = new Proxy(Date, {
    construct: (date, args: unknown[], newTarget): Date =>
      Object(Reflect.construct(date, args.length === 0 ? [now()] : args, newTarget)) as Date,
    get: (date, name, receiver): unknown => (name === 'now' ? now : Reflect.get(date, name, receiver)),
  })
}

/** Whoever waits for its end learns of it later, when more was committed. */
function noteOwnKill(file: string): void {
  const kill = process.kill.bind(process)
  process.kill = (pid, signal) => {
    if (pid === process.pid && signal === 'SIGKILL') writeFileSync(file, String(realNow()))
    return kill(pid, signal)
  }
}
