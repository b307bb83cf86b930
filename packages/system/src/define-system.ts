import { assertSystem } from './checks/assert-system.ts'
import type { SystemDefinition } from './system-definition.ts'

/**
 * Checks a definition and returns it.
 *
 * @throws SluiceError SLU-1005 with every mistake the compiler could not see, each with its place.
 */
export function defineSystem<const Definition extends SystemDefinition>(definition: Definition): Definition {
  assertSystem(definition)
  return definition
}
