/** A second projector of a service joins its group; then the first leaves it, cleanly or by kill -9, and the second goes on. */
import { groupHasMembers } from '../group-members.ts'
import { markProgress } from '../progress-mark.ts'
import type { Strike } from '../strike.ts'

const STOP_LIMIT_MS = 30_000

export const rebalance: Strike = async (stage, seed) => {
  const random = seed.random()
  const service = stage.anyService(random)
  const first = `projector ${service}`
  const second = `${first} (second)`
  stage.processes.start(second, ['run', 'projector', service])
  await groupHasMembers(stage, service, 2)
  const isClean = random.chance(0.5)
  const mark = await markProgress(stage)
  const leaving = stage.processes.get(first)
  const left = stage.endOf(first, STOP_LIMIT_MS)
  leaving.kill(isClean ? 'SIGTERM' : 'SIGKILL')
  await left
  stage.processes.succeed(first, second)
  return { mark, place: `${first}, first left by ${isClean ? 'SIGTERM' : 'SIGKILL'}` }
}
