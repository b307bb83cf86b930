/**
 * kill -9 where events are parked and where they leave the parking lot. Everything is out again before the fault is over: what is still
 * parked then was not parked on purpose, and the standing checks find it.
 */
import { markProgress } from '../progress-mark.ts'
import {
  type ParkedCommand,
  REFUSING_SERVICE,
  endRefusal,
  refuseRows,
  refusedEvents,
  takeRows,
  workOnRefused,
  writeRefusedRow,
} from '../refused-rows.ts'
import { oversizeParked, publishParked, retryAtRelay, roomyRelay, writeOversizeEvent } from '../oversize-messages.ts'
import type { Seed } from '../seed.ts'
import type { Strike } from '../strike.ts'
import { armed, killAtPoint, repeated } from './process-strikes.ts'

/** The projector enters a refused event into its lot; later a person has it tried again, or skips it. */
export const projectorParks: Strike = async (stage, seed) => {
  await refuseRows(stage)
  const strike = killAtPoint('projector.event-parked', {
    service: REFUSING_SERVICE,
    bring: repeated(writeRefusedRow),
    passesMax: 1,
  })
  const struck = await strike(stage, seed)
  const command = commandOf(seed)
  return { ...struck, place: `${struck.place}, ${command}`, putBack: () => endRefusal(stage, command) }
}

/** The command that a person began is killed: the events are where they were, or where they should be, and it can be given again. */
export function commandAt(point: 'parked.before-commit' | 'parked.after-commit'): Strike {
  return async (stage, seed) => {
    const command = commandOf(seed)
    await refuseRows(stage)
    await writeRefusedRow(stage)
    const before = await stage.until('a refused event to be parked, and one behind it', async () => {
      const events = await refusedEvents(stage)
      return events.length > 1 && events
    })
    if (command === 'retry') await takeRows(stage)
    stage.forgetOwnKill()
    const { code, signal, stderr } = await stage.orEnd(workOnRefused(stage, command, armed(point, 1)))
    if (signal !== 'SIGKILL')
      throw new Error(`sluice parked ${command} ended with ${code ?? 'nothing'}, not at ${point}:\n${stderr}`)
    const mark = await markProgress(stage, stage.ownKillAt())
    const after = await refusedEvents(stage)
    const left = before.filter((event) => after.includes(event)).length
    const expected = point === 'parked.before-commit' ? before.length : 0
    if (left !== expected) throw new Error(`killed at ${point}, ${left} of ${before.length} events are parked`)
    return { mark, inFlight: before.length, place: command, putBack: () => endRefusal(stage, command) }
  }
}

/** The relay writes down what it can not send. */
export function relayParks(point: 'relay.before-parked' | 'relay.after-parked'): Strike {
  return async (stage, seed) => {
    const struck = await killAtPoint(point, { bring: repeated(writeOversizeEvent), passesMax: 1 })(stage, seed)
    return {
      ...struck,
      putBack: async () => {
        await oversizeParked(stage)
        await publishParked(stage)
      },
    }
  }
}

/** What it had parked is published, and stands in its lot still. */
export const relayPublishesLate: Strike = async (stage, seed) => {
  // An earlier fault may have left a relay that sends such events.
  await stage.processes.stopAndRestart('relay')
  await writeOversizeEvent(stage)
  await oversizeParked(stage)
  const strike = killAtPoint('relay.late-published', { bring: repeated(retryAtRelay), passesMax: 1, env: roomyRelay })
  const struck = await strike(stage, seed)
  return { ...struck, putBack: () => publishParked(stage) }
}

function commandOf(seed: Seed): ParkedCommand {
  return seed.of('command').random().chance(0.5) ? 'retry' : 'skip'
}
