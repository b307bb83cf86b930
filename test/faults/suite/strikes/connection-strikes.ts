/** Connections between Sluice's processes and a server that are cut, stand still, or are slow. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerName } from '@sluice/infra'
import { markProgress } from '../progress-mark.ts'
import type { Strike } from '../strike.ts'

const STALL_MS_MIN = 1_000
const STALL_MS_MAX = 8_000
const SLOW_FOR_MS_MIN = 1_000
const SLOW_FOR_MS_MAX = 4_000
/** Of a piece. */
const SLOW_MS_MIN = 5
const SLOW_MS_MAX = 60

export function connectionsCut(server: ServerName): Strike {
  return async (stage) => {
    const mark = await markProgress(stage)
    const { connections } = stage.proxies[server]
    stage.proxies[server].cut()
    return { mark, place: `${connections} connections` }
  }
}

/** Nothing moves for a while, and then everything does: longer than a consumer's session at its longest. */
export function connectionsStalled(server: ServerName): Strike {
  return async (stage, seed) => {
    const mark = await markProgress(stage)
    const ms = seed.random().between(STALL_MS_MIN, STALL_MS_MAX)
    stage.proxies[server].stall()
    await delay(ms)
    stage.proxies[server].pass()
    return { mark, place: `${ms} ms` }
  }
}

/** Every piece waits, for a while: an event of a handler costs two round trips, so a backlog would take minutes on such a line. */
export function connectionsSlow(server: ServerName): Strike {
  return async (stage, seed) => {
    const mark = await markProgress(stage)
    const random = seed.random()
    const pieceMs = random.between(SLOW_MS_MIN, SLOW_MS_MAX)
    const ms = random.between(SLOW_FOR_MS_MIN, SLOW_FOR_MS_MAX)
    stage.proxies[server].delay(pieceMs)
    await delay(ms)
    stage.proxies[server].pass()
    return { mark, place: `${pieceMs} ms a piece for ${ms} ms` }
  }
}
