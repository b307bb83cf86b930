/** In which form the definition captures the subjects of a kind; the same in every table, which is checked when it is loaded. */
import { SluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { subjectIdOf } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'
import { textHash } from './text-hash.ts'

/** Kinds of subjects of a system to whether their columns are hashed. */
export function subjectKinds(system: SystemDefinition): ReadonlyMap<string, { readonly isHashed: boolean }> {
  return new Map(
    system.monolith.tables.flatMap((table) =>
      Object.values(table.privacy).flatMap((rule) =>
        rule.kind === 'encrypt' ? [[rule.subjectKind, { isHashed: table.privacy[rule.subject]?.kind === 'hash' }] as const] : [],
      ),
    ),
  )
}

/**
 * Id of a subject as the source names it.
 *
 * @param subject PostgreSQL's text of the subject column.
 * @throws SluiceError SLU-1001 if the system has no subjects of that kind
 */
export function sourceSubjectId(system: SystemDefinition, keys: SystemKeys, kind: string, subject: string): string {
  const { isHashed } = requireKind(system, kind)
  return subjectIdOf(keys, kind, isHashed ? textHash(keys.hash, subject) : subject)
}

/** @throws SluiceError SLU-1001 */
export function requireKind(system: SystemDefinition, kind: string): { readonly isHashed: boolean } {
  const kinds = subjectKinds(system)
  const known = kinds.get(kind)
  if (known) return known
  const names = [...kinds.keys()]
  throw new SluiceError('USAGE', {
    what: `system "${system.name}" has no subjects of kind "${kind}"`,
    why: names.length === 0 ? 'none of its columns is encrypted' : `its kinds are ${names.join(', ')}`,
    ways: names.slice(0, 2).map((name) => `sluice erase <subject> --kind ${name}`),
  })
}
