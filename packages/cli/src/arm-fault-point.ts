/** Ends the process at a fault point, for the fault suite. Nothing is armed unless the environment says so. */
import { FAULT_POINTS, type FaultPoint, SluiceError, installFaultPoints } from '@sluice/core'

const VARIABLE = 'SLUICE_TEST_FAULT_POINT'

/**
 * Reads `<point>:<nth>`: at that pass of the point the process sends itself SIGKILL.
 *
 * @throws SluiceError SLU-1003
 */
export function armFaultPoint(
  environment: Readonly<Record<string, string | undefined>>,
  kill: () => void = () => void process.kill(process.pid, 'SIGKILL'),
): void {
  const text = environment[VARIABLE]
  if (text === undefined || text === '') return
  const { point, pass } = parse(text)
  let passes = 0
  installFaultPoints((passed) => {
    if (passed !== point) return
    passes += 1
    if (passes === pass) kill()
  })
}

function parse(text: string): { readonly point: FaultPoint; readonly pass: number } {
  const [name, nth] = text.split(':')
  const point = FAULT_POINTS.find((known) => known === name)
  const pass = Number(nth)
  if (point !== undefined && Number.isSafeInteger(pass) && pass > 0) return { point, pass }
  throw new SluiceError('CONFIG_INVALID', {
    what: `${VARIABLE} can not be used`,
    why: `"${text}" is not <point>:<number of the pass>; points are ${FAULT_POINTS.join(', ')}`,
    ways: [`unset ${VARIABLE}`],
  })
}
