/** The clock of every process of Sluice steps by hours, forth or back, and later to the truth again. */
import { markProgress } from '../progress-mark.ts'
import type { Strike } from '../strike.ts'

const HOUR_MS = 3_600_000
const HOURS_MAX = 12

export const clockStep: Strike = async (stage, seed) => {
  const random = seed.random()
  const hours = random.between(1, HOURS_MAX) * (random.chance(0.5) ? 1 : -1)
  const mark = await markProgress(stage)
  stage.stepClock(hours * HOUR_MS)
  return { mark, place: `${hours} h`, putBack: () => stage.stepClock(0) }
}
