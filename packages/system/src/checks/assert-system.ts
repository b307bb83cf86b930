import { SluiceError } from '@sluice/core'
import type { SystemDefinition } from '../system-definition.ts'
import { hasShape, shapeMistakes } from './definition-shape.ts'
import type { Mistake } from './mistake.ts'
import { systemMistakes } from './system-mistakes.ts'

/**
 * Checks a definition: first its shape, and where that is right, its contents.
 *
 * @throws SluiceError SLU-1005 with every mistake, a line each, with its place
 */
export function assertSystem(value: unknown): asserts value is SystemDefinition {
  const shape = shapeMistakes(value)
  const mistakes = hasShape(value, shape) ? systemMistakes(value) : shape
  if (mistakes.length > 0) throw systemInvalid(nameOf(value), mistakes)
}

export function systemInvalid(name: string, mistakes: readonly Mistake[], cause?: unknown): SluiceError {
  return new SluiceError('SYSTEM_INVALID', {
    what: `the definition of ${name} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}`,
    why: mistakes.map(({ place, problem }) => `${place}: ${problem}`).join('\n'),
    ways: ['correct the definition at the places above; docs/system-definition.md has the rules'],
    cause,
  })
}

function nameOf(value: unknown): string {
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : undefined
  return typeof name === 'string' && name !== '' ? `system "${name}"` : 'the system'
}
