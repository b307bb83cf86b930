/** In which form the definition captures the subjects of a kind; the same in every table, which is checked when it is loaded. */
import { SluiceError } from '@sluice/core'
import { isConstraintViolation, sqlStateOf } from '@sluice/postgres'
import type { ColumnType, SystemDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'
import { subjectIdOf } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'
import { textHash } from './text-hash.ts'

export interface SubjectForm {
  readonly isHashed: boolean
  /** Of a column that names subjects of the kind. */
  readonly type: ColumnType
}

/** Kinds of subjects of a system. */
export function subjectKinds(system: SystemDefinition): ReadonlyMap<string, SubjectForm> {
  const kinds = new Map<string, SubjectForm>()
  for (const { privacy, sourceColumns } of system.monolith.tables) {
    for (const rule of Object.values(privacy)) {
      if (rule.kind !== 'encrypt' || kinds.has(rule.subjectKind)) continue
      kinds.set(rule.subjectKind, { isHashed: privacy[rule.subject]?.kind === 'hash', type: sourceColumns[rule.subject]! })
    }
  }
  return kinds
}

/**
 * Id of a subject as a person writes it: brought to PostgreSQL's own text of the column's type first, since another spelling of
 * a number or UUID would be another subject, whom nobody knows.
 *
 * @throws SluiceError SLU-1001 if the system has no subjects of that kind, or the text is none of the column's type
 */
export async function sourceSubjectId(
  client: ClientBase,
  system: SystemDefinition,
  keys: SystemKeys,
  { kind, subject }: { readonly kind: string; readonly subject: string },
): Promise<string> {
  const { isHashed, type } = requireKind(system, kind)
  const text = await canonicalText(client, type, kind, subject)
  return subjectIdOf(keys, kind, isHashed ? textHash(keys.hash, text) : text)
}

async function canonicalText(client: ClientBase, { sqlType, avro }: ColumnType, kind: string, subject: string): Promise<string> {
  // A text is what it is, and a type that only the source has can not be asked for here.
  if (avro.form === 'text') return subject
  try {
    const { rows } = await client.query<{ text: string }>(`SELECT ($1::text)::${sqlType}::text AS text`, [subject])
    return rows[0]!.text
  } catch (error) {
    if (!isConstraintViolation(error)) throw error
    throw new SluiceError('USAGE', {
      what: `the subject can not be an id of kind "${kind}"`,
      why: `its column is ${sqlType}, and the text is none (SQLSTATE ${sqlStateOf(error) ?? ''})`,
      ways: ['give the subject as the column of the monolith shows it'],
    })
  }
}

/** @throws SluiceError SLU-1001 */
export function requireKind(system: SystemDefinition, kind: string): SubjectForm {
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
